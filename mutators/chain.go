package mutators

import (
	"context"
	"errors"
	"fmt"

	"github.com/portcullis-dev/portcullis/review"
)

// Chain is the Reviewer of stage mutate: its links edit one working copy of the object, in order and until it is at rest, and what
// they changed becomes one patch. It allows what no link refuses. A policy whose edits cannot be made, or keep the object from coming to
// rest, is answered as its onError says, and none of its edits is made. Any other fault is an error and never a patch: of a link, which the
// error names, or of the patch, which is tried before it is sent.
//
// It leaves alone what has no object to patch (DELETE, and CONNECT, whose object is its options), mirror Pods, and objects that
// are being deleted.
type Chain []Mutator

// Review answers req.
func (c Chain) Review(ctx context.Context, req *review.Request) (review.Decision, error) {
	return c.review(ctx, req, diff)
}

// review is Review with the function that finds the difference, which a test replaces by a broken one.
func (c Chain) review(ctx context.Context, req *review.Request, diff func(before, after map[string]any) ([]operation, error)) (review.Decision, error) {
	if req.Stage != review.Mutate {
		return review.Decision{}, fmt.Errorf("mutators answer at stage %q, not at %q", review.Mutate, req.Stage)
	}
	if len(c) == 0 || len(req.Object) == 0 || req.Verb == "delete" || req.Verb == "connect" {
		return review.Decision{Verdict: review.Allow}, nil
	}
	before, err := decode(req.Object)
	if err != nil {
		return review.Decision{}, err
	}
	if untouchable(req, before) {
		return review.Decision{Verdict: review.Allow}, nil
	}
	last, err := c.settle(ctx, req, before)
	if _, refused := errors.AsType[*RefusalError](err); refused {
		return review.Decision{Verdict: review.Deny, Findings: last.findings, Revision: last.revision}, nil
	}
	if err != nil {
		return review.Decision{}, err
	}
	d := review.Decision{Verdict: review.Allow, Findings: last.findings, Revision: last.revision}
	operations, err := diff(before, last.obj.Object)
	if err != nil {
		return review.Decision{}, err
	}
	if d.Patch, err = encode(operations); err == nil && d.Patch != nil {
		err = prove(req.Object, d.Patch, last.obj.Object)
	}
	if err != nil {
		return review.Decision{}, err
	}
	return d, nil
}
