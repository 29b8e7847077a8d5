package review

import (
	"context"
	"sync/atomic"
)

// holdKey is where the context of a review has what its Reviewer may hold on to.
type holdKey struct{}

// WithHold returns a context for one review, and the function its caller calls once the Reviewer has returned. Freed is called, once, when that
// was called and every Hold on the context has been let go: when nothing works on the review any more.
func WithHold(ctx context.Context, freed func()) (held context.Context, returned func()) {
	h := &hold{freed: freed}
	return context.WithValue(ctx, holdKey{}, h), h.take()
}

// Hold is for a Reviewer that leaves work behind when it returns, as an evaluation that does not stop in time: what the review takes up, such as
// its share of the memory, stays taken until the function Hold returns is called. Hold itself is called before the Reviewer returns. Without a
// WithHold it does nothing.
func Hold(ctx context.Context) (release func()) {
	if h, ok := ctx.Value(holdKey{}).(*hold); ok {
		return h.take()
	}
	return func() {}
}

// hold counts who still works on a review.
type hold struct {
	working atomic.Int64
	freed   func()
}

func (h *hold) take() (release func()) {
	h.working.Add(1)
	return func() {
		if h.working.Add(-1) == 0 {
			h.freed()
		}
	}
}
