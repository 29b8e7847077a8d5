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
// OnFault says whether that refuses. In a Chain it refuses only if the fault is still there when the object has come to rest.
func Ask(r review.Reviewer) Mutator { return asking{r} }

type asking struct{ reviewer review.Reviewer }

func (asking) Name() string { return "policies" }

func (a asking) Mutate(ctx context.Context, req *review.Request, obj *unstructured.Unstructured) error {
	req, err := about(req, obj.Object)
	if err != nil {
		return err
	}
	d, faults, err := a.ask(ctx, req, obj, nil)
	if err == nil && refuse(faults) {
		d.Findings = append(d.Findings, faults...)
		err = &RefusalError{d}
	}
	return err
}

// ask makes in obj, which is the object of req, the edits of all policies but those aside. The Decision has the edits it has made or tried to
// make; the faults of those it could not make are not among its findings.
func (a asking) ask(
	ctx context.Context, req *review.Request, obj *unstructured.Unstructured, but aside,
) (d review.Decision, faults []review.Finding, err error) {
	d, err = a.reviewer.Review(ctx, req)
	switch {
	case err != nil:
		return review.Decision{}, nil, err
	case d.Verdict == review.Deny:
		return d, nil, &RefusalError{d}
	case len(d.Patch) > 0:
		return d, nil, errors.New("it answered with a patch where edits are asked for")
	}
	d.Edits, d.Findings = but.without(d.Edits), slices.Clip(d.Findings)
	faults, contradictions, err := apply(ctx, obj.Object, d.Edits)
	if err != nil {
		return d, nil, err
	}
	if len(contradictions) > 0 {
		d.Verdict, d.Findings = review.Deny, slices.Concat(d.Findings, faults, contradictions)
		return d, nil, &RefusalError{d}
	}
	return d, faults, nil
}

// about returns the question req with obj for its object.
func about(req *review.Request, obj map[string]any) (*review.Request, error) {
	text, err := json.Marshal(obj)
	if err != nil {
		return nil, fmt.Errorf("the object cannot be encoded: %w", err)
	}
	return req.WithObject(text), nil
}
