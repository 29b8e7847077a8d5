package mutators

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/portcullis-dev/portcullis/review"
)

// Ask returns the Mutator that asks r about the object as it is now and makes the edits r decides on. A Deny of r is a RefusalError,
// and so are edits that contradict each other. An edit that cannot be made is a fault of its policy, none of whose edits is made then; its
// OnFault says whether that refuses.
func Ask(r review.Reviewer) Mutator { return asking{r} }

// asker is a Mutator that has more to tell a Chain than an error: findings that refuse nothing, the revision that answered,
// and whose edits it made. The object of req is obj.
type asker interface {
	Mutator
	ask(ctx context.Context, req *review.Request, obj *unstructured.Unstructured) (review.Decision, error)
}

type asking struct{ reviewer review.Reviewer }

func (asking) Name() string { return "policies" }

func (a asking) Mutate(ctx context.Context, req *review.Request, obj *unstructured.Unstructured) error {
	req, err := about(req, obj.Object)
	if err != nil {
		return err
	}
	_, err = a.ask(ctx, req, obj)
	return err
}

func (a asking) ask(ctx context.Context, req *review.Request, obj *unstructured.Unstructured) (review.Decision, error) {
	d, err := a.reviewer.Review(ctx, req)
	switch {
	case err != nil:
		return review.Decision{}, err
	case d.Verdict == review.Deny:
		return d, &RefusalError{d}
	case len(d.Patch) > 0:
		return d, errors.New("it answered with a patch where edits are asked for")
	}
	findings, err := apply(ctx, obj.Object, d.Edits)
	if err != nil {
		return d, err
	}
	d.Findings = append(slices.Clip(d.Findings), findings...)
	if refuse(findings) {
		d.Verdict = review.Deny
		return d, &RefusalError{d}
	}
	return d, nil
}

// about returns the question req with obj for its object.
func about(req *review.Request, obj map[string]any) (*review.Request, error) {
	text, err := json.Marshal(obj)
	if err != nil {
		return nil, fmt.Errorf("the object cannot be encoded: %w", err)
	}
	return req.WithObject(text), nil
}
