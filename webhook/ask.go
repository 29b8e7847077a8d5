package webhook

import (
	"context"
	"crypto/rand"
	"errors"
	"sync/atomic"

	"github.com/portcullis-dev/portcullis/review"
)

var errLate = review.Unavailable("the review was not finished in time")

// ask runs the Reviewer, and stops waiting for it at cutoff. A deadline is advice to an evaluation: single builtins of Rego have run
// for seconds past it, and the caller must not wait for them. What runs on is counted until it returns.
func (h *Handler) ask(ctx context.Context, cutoff <-chan struct{}, x *exchange) (review.Decision, error) {
	type result struct {
		decision review.Decision
		err      error
	}
	var (
		done    = make(chan result, 1)
		settled atomic.Bool // by whoever comes first: the result, or the cutoff
	)
	go func() { // a panic in it would end the process; NewHandler saw to a Recover
		decision, err := x.endpoint.Reviewer.Review(ctx, x.req)
		done <- result{decision, err}
		if !settled.CompareAndSwap(false, true) {
			h.metrics.overruns.Dec()
		}
	}()
	select {
	case r := <-done:
		return r.decision, late(ctx, r.err)
	case <-cutoff:
	}
	h.metrics.overruns.Inc()
	if !settled.CompareAndSwap(false, true) { // it returned at the last moment
		h.metrics.overruns.Dec()
		r := <-done
		return r.decision, late(ctx, r.err)
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		h.log.Warn("a review overruns its deadline; its caller has been answered without it", x.attrs(rand.Text())...)
	}
	return review.Decision{}, errLate
}

// late turns the error of a Reviewer that gave up because its context ended into one that says to ask again.
func late(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil && !errors.Is(err, review.ErrUnavailable) &&
		(errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)) {
		return errLate
	}
	return err
}
