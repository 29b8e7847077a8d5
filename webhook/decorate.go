package webhook

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/portcullis-dev/portcullis/review"
)

// Decorator puts something around a Reviewer.
type Decorator func(review.Reviewer) review.Reviewer

// Decorate puts decorators around r, the first one outermost.
func Decorate(r review.Reviewer, decorators ...Decorator) review.Reviewer {
	for _, decorator := range slices.Backward(decorators) {
		r = decorator(r)
	}
	return r
}

// PanicError is what Recover makes of a panic.
type PanicError struct {
	Value any    // what the code panicked with
	Stack []byte // where
}

// Error says what the panic said.
func (e *PanicError) Error() string { return fmt.Sprintf("the review panicked: %v", e.Value) }

// Unwrap returns the panic's value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// Recover turns a panic of the Reviewer into a *PanicError: no answer, and the process lives. Who receives it logs it; Handler
// does, with the stack.
func Recover() Decorator {
	return func(next review.Reviewer) review.Reviewer {
		return review.ReviewerFunc(func(ctx context.Context, req *review.Request) (d review.Decision, err error) {
			defer func() {
				if value := recover(); value != nil {
					d, err = review.Decision{}, &PanicError{Value: value, Stack: debug.Stack()}
				}
			}()
			return next.Review(ctx, req)
		})
	}
}
