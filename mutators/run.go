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
	findings []review.Finding
	revision string
}

func newRun(req *review.Request, before map[string]any) (*run, error) {
	working, err := clone(before)
	if err != nil {
		return nil, err
	}
	obj, ok := working.(map[string]any)
	if !ok {
		return nil, errors.New("the object is not an object")
	}
	return &run{req: req, before: before, obj: &unstructured.Unstructured{Object: obj}}, nil
}

// run lets all links edit a copy of before, which is req's object. On an error it still returns what was gathered.
func (c Chain) run(ctx context.Context, req *review.Request, before map[string]any) (*run, error) {
	r, err := newRun(req, before)
	if err != nil {
		return &run{}, err
	}
	for _, m := range c {
		if _, err := r.step(ctx, m); err != nil {
			return r, err
		}
	}
	return r, nil
}

// step lets one link edit the working copy and returns the Decision behind its edits, if it has one.
func (r *run) step(ctx context.Context, m Mutator) (review.Decision, error) {
	d, err := r.let(ctx, m)
	if err != nil {
		return d, fmt.Errorf("mutator %q: %w", m.Name(), err)
	}
	return d, nil
}

func (r *run) let(ctx context.Context, m Mutator) (d review.Decision, err error) {
	if err := ctx.Err(); err != nil {
		return d, err
	}
	if a, ok := m.(asker); ok {
		req := r.req
		if !equal(r.before, r.obj.Object) { // encoding it anew costs more than comparing
			if req, err = about(req, r.obj.Object); err != nil {
				return d, err
			}
		}
		d, err = a.ask(ctx, req, r.obj)
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
		return d, err
	}
	if r.obj.Object == nil {
		return d, errors.New("it left no object")
	}
	if err := check(r.obj.Object, 0); err != nil {
		return d, err
	}
	return d, preserved(r.before, r.obj.Object)
}

// culprit names the last link, and the policy if it asks policies, that changes the value at a place of an object that the chain itself
// has made. It is only asked when the request fails anyway, so it may take its time.
func (c Chain) culprit(ctx context.Context, req *review.Request, object map[string]any, at location) string {
	name := "the chain of mutators"
	r, err := newRun(req, object)
	if err != nil {
		return name
	}
	for _, m := range c {
		before, err := clone(r.obj.Object)
		if err != nil {
			return name
		}
		d, err := r.step(ctx, m)
		if err != nil {
			return name
		}
		if equal(lookup(before, at), lookup(r.obj.Object, at)) {
			continue
		}
		name = fmt.Sprintf("mutator %q", m.Name())
		if policy := changer(ctx, before, d.Edits, at); policy != "" {
			name = fmt.Sprintf("policy %q of mutator %q", policy, m.Name())
		}
	}
	return name
}

// changer returns the policy whose edits change what stands in obj at a place, or "".
func changer(ctx context.Context, obj any, edits []review.Edit, at location) string {
	tried := map[string]bool{}
	for _, e := range edits {
		if tried[e.Policy] {
			continue
		}
		tried[e.Policy] = true
		var own []review.Edit
		for _, other := range edits {
			if other.Policy == e.Policy {
				own = append(own, other)
			}
		}
		copied, err := clone(obj)
		if err != nil {
			return ""
		}
		alone, _ := copied.(map[string]any)
		if findings, err := apply(ctx, alone, own); err != nil || len(findings) > 0 {
			continue
		}
		if !equal(lookup(obj, at), lookup(alone, at)) {
			return e.Policy
		}
	}
	return ""
}
