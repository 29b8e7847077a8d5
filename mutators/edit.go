package mutators

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/portcullis-dev/portcullis/review"
)

// apply makes the edits in obj, all those of a policy or none. It returns a fault for each policy with an edit that cannot be made, and a
// finding for each contradiction among the others; if there is one, no edit is made. obj is of no use after an error.
func apply(ctx context.Context, obj map[string]any, edits []review.Edit) (faults, contradictions []review.Finding, err error) {
	wishes, faults, err := plan(ctx, obj, edits)
	if err != nil {
		return nil, nil, err
	}
	wishes, contradictions, err = reconcile(ctx, obj, wishes)
	if err != nil || len(contradictions) > 0 {
		return faults, contradictions, err
	}
	// Every place was found before anything moved, so what moves elements comes last, and the last element first.
	for _, op := range []review.EditOp{review.EditDefault, review.EditSet, review.EditAppend} {
		for _, w := range wishes {
			if w.op == op {
				if err := w.grant(obj); err != nil {
					return nil, nil, w.failed(err)
				}
			}
		}
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
	}
	for _, w := range slices.Backward(wishes) {
		if w.op == review.EditRemove {
			if err := take(obj, w.at); err != nil {
				return nil, nil, w.failed(err)
			}
		}
	}
	return faults, nil, nil
}

// plan finds the places of all edits in obj, and faults of policies with an edit that cannot be made, whose other edits it leaves out: half of
// what a policy wants is not what it wants. The wishes are sorted: a place before the places in it, and at one place a set, a remove,
// defaults, appends, by policy; the faults by policy.
func plan(ctx context.Context, obj map[string]any, edits []review.Edit) (out []wish, faults []review.Finding, err error) {
	faulty := map[string]bool{}
	for _, e := range edits {
		// A Where is looked for in the whole list, and the object's size is the user's choice.
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		w := wish{edit: e, op: e.Op}
		wishes, err := w.resolve(obj)
		if err != nil && !faulty[e.Policy] {
			faulty[e.Policy] = true
			faults = append(faults, fault(e, fmt.Sprintf("the edit to %s cannot be made: %v", w.phrase(), err), spell(e.Path)))
		}
		out = append(out, wishes...)
	}
	out = slices.DeleteFunc(out, func(w wish) bool { return faulty[w.edit.Policy] })
	slices.SortStableFunc(faults, func(a, b review.Finding) int { return cmp.Compare(a.Policy, b.Policy) })
	rank := []review.EditOp{review.EditSet, review.EditRemove, review.EditDefault, review.EditAppend, banish}
	slices.SortStableFunc(out, func(a, b wish) int {
		return cmp.Or(order(a.at, b.at), cmp.Compare(slices.Index(rank, a.op), slices.Index(rank, b.op)),
			cmp.Compare(a.edit.Policy, b.edit.Policy))
	})
	return out, faults, nil
}

// valid returns an error for an edit that cannot be made whatever the object.
func valid(e review.Edit) error {
	switch e.Op {
	case review.EditSet, review.EditDefault, review.EditAppend:
		if e.Value == nil {
			return errors.New("it has no value; what takes a value away is remove")
		}
	case review.EditRemove:
		if e.Value != nil {
			return errors.New("remove takes no value")
		}
	default:
		return fmt.Errorf("%q is no operation; there are set, default, remove and append", e.Op)
	}
	if e.Key != "" && e.Op != review.EditAppend {
		return errors.New("only append takes a key")
	}
	if e.Key != "" && member(e.Value, e.Key) == nil {
		return fmt.Errorf("its value has no member %q, which its key names", e.Key)
	}
	for _, s := range e.Path {
		if s.Where != nil && len(s.Where) == 0 {
			return errors.New("a segment of its path says nothing about the element it means")
		}
	}
	return permitted(e.Path)
}
