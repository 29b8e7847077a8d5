package mutators

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/portcullis-dev/portcullis/review"
)

// Mutator edits obj in place. Applied twice, it changes nothing the second time. obj holds decoded JSON as unstructured content
// does, with int64 and float64 for numbers, and must hold nothing else afterwards.
//
// req is the question as it was received; req.Object is not what earlier links of a Chain made of it, obj is. Implementations are
// safe for concurrent use and keep neither req nor obj. They say no with a RefusalError; any other error means they could not
// do their work.
type Mutator interface {
	Name() string
	Mutate(ctx context.Context, req *review.Request, obj *unstructured.Unstructured) error
}

// Func returns the Mutator that has the given name and calls mutate.
func Func(name string, mutate func(context.Context, *review.Request, *unstructured.Unstructured) error) Mutator {
	return function{name, mutate}
}

type function struct {
	name   string
	mutate func(context.Context, *review.Request, *unstructured.Unstructured) error
}

func (f function) Name() string { return f.name }

func (f function) Mutate(ctx context.Context, req *review.Request, obj *unstructured.Unstructured) error {
	return f.mutate(ctx, req, obj)
}

// RefusalError is the error of a Mutator that refuses the request. A Chain answers it with Deny and the findings gathered so far,
// Decision's included; Decision's Verdict is not looked at.
type RefusalError struct{ Decision review.Decision }

// Error is what the user reads.
func (r *RefusalError) Error() string {
	if text := r.Decision.Refusal(); text != "" {
		return text
	}
	return "refused without a reason"
}
