package policies

import (
	"context"
	"sync/atomic"

	"github.com/portcullis-dev/portcullis/review"
)

// Engine is a Reviewer over whichever Set is in force. Before the first it has no answer. Its zero value is ready for use.
type Engine struct{ current atomic.Pointer[Set] }

// Use puts set in force. Reviews that have begun finish with the Set they began with.
func (e *Engine) Use(set *Set) { e.current.Store(set) }

// Set returns the Set in force, or nil.
func (e *Engine) Set() *Set { return e.current.Load() }

// Review asks the Set in force.
func (e *Engine) Review(ctx context.Context, req *review.Request) (review.Decision, error) {
	set := e.current.Load()
	if set == nil {
		return review.Decision{}, review.Unavailable("no policies are loaded yet")
	}
	return set.Review(ctx, req)
}

// Ready returns why there is nothing to answer with, or nil.
func (e *Engine) Ready() error {
	if e.current.Load() == nil {
		return review.Unavailable("no policies are loaded yet")
	}
	return nil
}
