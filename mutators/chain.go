package mutators

import (
	"context"
	"errors"
	"fmt"

	"github.com/portcullis-dev/portcullis/review"
)

// Chain is the Reviewer of stage mutate: its links edit one working copy of the object, in order and until it is at rest, and what
// they changed becomes one patch. It allows what no link refuses. Any fault is an error and never a patch: of a link, which the error
// names, of the patch, which is tried before it is sent, or because the links never leave their own result alone.
//
// It leaves alone what has no object to patch (DELETE, and CONNECT, whose object is its options), mirror Pods, and objects that
// are being deleted.
type Chain []Mutator

// maxRounds bounds how often the links are run over their own result. Most chains are at rest after the first round, which the
// second proves. A policy that works on every container sees in the second round what another has added in the first; that a third
// reacts to that is rare, and more is a circle.
const maxRounds = 4

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
	last, err := c.untilAtRest(ctx, req, before)
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

// untilAtRest runs the links over the object, then over what they made of it, until a round changes nothing, and returns that round.
// The API server may run the chain over its own result, when another webhook changed the object after it: a chain that is never at
// rest would add a second sidecar then.
func (c Chain) untilAtRest(ctx context.Context, req *review.Request, object map[string]any) (*run, error) {
	for round := 1; ; round++ {
		r, err := c.run(ctx, req, object)
		if err != nil {
			return r, err
		}
		at, differs := difference(object, r.obj.Object)
		switch {
		case !differs:
			return r, nil
		case round == maxRounds:
			return r, fmt.Errorf("%s is not idempotent: applied again and again, it goes on changing %s", c.culprit(ctx, req, object, at), at)
		}
		object = r.obj.Object
		if req, err = about(req, object); err != nil {
			return r, err
		}
	}
}
