package suite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"

	"github.com/portcullis-dev/portcullis/review"
)

// stages are the ways in which a review of that kind is asked, in an API server's order.
func stages(kind string) []review.Dialect {
	switch kind {
	case "TokenReview":
		return []review.Dialect{review.DialectAuthenticate}
	case "SubjectAccessReview":
		return []review.Dialect{review.DialectGuard, review.DialectGrant}
	case "ImageReview":
		return []review.Dialect{review.DialectImage}
	default:
		return []review.Dialect{review.DialectMutate, review.DialectValidate}
	}
}

// ask asks about a review as an API server does, stage by stage, until one refuses. Each stage sees the object as the one before left it.
func ask(ctx context.Context, body []byte, kind string, mutate, other review.Reviewer) (out answer, err error) {
	for _, dialect := range stages(kind) {
		req, _, err := dialect(body)
		if err != nil {
			return out, err
		}
		req.Origin = review.FromCommandLine
		reviewer := other
		if req.Stage == review.Mutate {
			reviewer = mutate
			out.object = req.Object
		}
		d, err := reviewer.Review(ctx, req)
		if err != nil {
			return out, err
		}
		out.findings = append(out.findings, d.Findings...)
		out.verdict = d.Verdict
		if d.Identity != nil {
			out.identity = d.Identity
		}
		if d.Verdict == review.Deny {
			break
		}
		if len(d.Patch) > 0 {
			if out.object, err = patched(req.Object, d.Patch); err != nil {
				return out, err
			}
			body = req.WithObject(out.object).Body
		}
	}
	return out, nil
}

func patched(object, patch []byte) ([]byte, error) {
	decoded, err := jsonpatch.DecodePatch(patch)
	if err != nil {
		return nil, fmt.Errorf("the patch cannot be read: %w", err)
	}
	if object, err = decoded.Apply(object); err != nil {
		return nil, fmt.Errorf("the patch does not apply: %w", err)
	}
	return object, nil
}

// difference says where an object that mutation made differs from the one that is expected; nothing if it does not.
func difference(want, got []byte) (string, error) {
	if got == nil {
		return "", errors.New("object is for what is admitted; this review is about no object")
	}
	patch, err := jsonpatch.CreateMergePatch(want, got)
	if err != nil {
		return "", err
	}
	if jsonpatch.Equal(want, got) {
		return "", nil
	}
	var content any
	if err := json.Unmarshal(patch, &content); err != nil {
		return "", err
	}
	return string(patch), nil
}
