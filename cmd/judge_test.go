package cmd

import (
	"context"
	"errors"
	"testing"

	"github.com/portcullis-dev/portcullis/review"
)

// TestInterruptedIsNotDenied: a policy that is cut short by the end of the process is answered for with a denial, which is not its own.
func TestInterruptedIsNotDenied(t *testing.T) {
	text := []byte(`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"t"}}`)
	subjects := subjectsOf(subject{file: "token.json", row: 1, text: text})
	subjects[0].body = text
	ctx, cancel := context.WithCancel(t.Context())
	interrupted := judge{heard: &hearing{}, byStage: map[review.Stage]review.Reviewer{
		review.Authenticate: review.ReviewerFunc(func(context.Context, *review.Request) (review.Decision, error) {
			cancel()
			return review.Decision{Verdict: review.Deny}, nil
		}),
	}}
	if results, err := interrupted.all(ctx, subjects); !errors.Is(err, context.Canceled) || results != nil {
		t.Errorf("%v, %v", results, err)
	}
}
