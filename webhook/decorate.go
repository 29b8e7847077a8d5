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

// Recover turns a panic of the Reviewer into an error that wraps a *review.PanicError: no answer, and the process lives. Who receives it
// logs it; Handler does, with the stack.
func Recover() Decorator {
	return func(next review.Reviewer) review.Reviewer {
		return review.ReviewerFunc(func(ctx context.Context, req *review.Request) (d review.Decision, err error) {
			defer func() {
				if value := recover(); value != nil {
					d, err = review.Decision{}, panicked(value)
				}
			}()
			return next.Review(ctx, req)
		})
	}
}

// panicked is the error of a review that panicked with value; it is called while the stack still shows where.
func panicked(value any) error {
	return fmt.Errorf("the review %w", &review.PanicError{Value: value, Stack: debug.Stack()})
}
