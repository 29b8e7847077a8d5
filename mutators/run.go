package mutators

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/portcullis-dev/portcullis/review"
)

// run is one pass of a chain over one object.
type run struct {
	req      *review.Request
	before   map[string]any             // req's object, decoded; only read
	obj      *unstructured.Unstructured // the working copy
	but      aside                      // the policies whose edits are left out
	findings []review.Finding
	faults   []review.Finding // of policies with an edit that cannot be made in this pass
	revision string
	made     []made
}

// made are the edits that one link made of what policies wanted.
type made struct {
	before map[string]any // the object as the policies saw it; only read
	edits  []review.Edit
}

func newRun(req *review.Request, before map[string]any, but aside) (*run, error) {
	working, err := clone(before)
	if err != nil {
		return nil, err
	}
	obj, ok := working.(map[string]any)
	if !ok {
		return nil, errors.New("the object is not an object")
	}
	return &run{req: req, before: before, but: but, obj: &unstructured.Unstructured{Object: obj}}, nil
}

// run lets all links edit a copy of before, which is req's object. On an error it still returns what was gathered.
func (c Chain) run(ctx context.Context, req *review.Request, before map[string]any, but aside) (*run, error) {
	r, err := newRun(req, before, but)
	if err != nil {
		return &run{}, err
	}
	for _, m := range c {
		if err := r.let(ctx, m); err != nil {
			return r, fmt.Errorf("mutator %q: %w", m.Name(), err)
		}
	}
	return r, nil
}

// rest reports whether the pass changed nothing.
func (r *run) rest() bool { return equal(r.before, r.obj.Object) }

// let has one link edit the working copy.
func (r *run) let(ctx context.Context, m Mutator) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var d review.Decision
	var err error
	if a, ok := m.(asking); ok {
		d, err = r.ask(ctx, a)
	} else {
		err = m.Mutate(ctx, r.req, r.obj)
	}
	if refusal, refused := errors.AsType[*RefusalError](err); refused {
		d = refusal.Decision
	}
	r.findings = append(r.findings, d.Findings...)
	if d.Revision != "" {
		r.revision = d.Revision
	}
	if err != nil {
		return err
	}
	if r.obj.Object == nil {
		return errors.New("it left no object")
	}
	if err := check(r.obj.Object, 0); err != nil {
		return err
	}
	return preserved(r.before, r.obj.Object)
}

// ask lets policies edit the working copy, and keeps what they made of what.
func (r *run) ask(ctx context.Context, a asking) (review.Decision, error) {
	req, before := r.req, r.before
	if !r.rest() { // encoding and copying it anew costs more than comparing
		var err error
		if req, err = about(req, r.obj.Object); err != nil {
			return review.Decision{}, err
		}
		if before, err = decode(req.Object); err != nil {
			return review.Decision{}, err
		}
	}
	d, faults, err := a.ask(ctx, req, r.obj, r.but)
	r.faults = append(r.faults, faults...)
	r.made = append(r.made, made{before, d.Edits})
	return d, err
}
