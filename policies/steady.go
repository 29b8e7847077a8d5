package policies

import (
	"context"
	"sync"

	"github.com/portcullis-dev/portcullis/policies/inventory"
	"github.com/portcullis-dev/portcullis/review"
)

// Steady returns a Reviewer that asks next with the inventory held still: however often a Set is asked on the way, it sees the objects of
// the cluster as they were when it was first asked. A chain of mutators asks twice, and what changed between would look like a
// policy that is not at rest.
func Steady(next review.Reviewer) review.Reviewer {
	return review.ReviewerFunc(func(ctx context.Context, req *review.Request) (review.Decision, error) {
		return next.Review(context.WithValue(ctx, pinKey{}, &pin{}), req)
	})
}

type pinKey struct{}

// pin holds the snapshot that was taken first.
type pin struct {
	once  sync.Once
	taken *inventory.Snapshot
}

func (p *pin) snapshot(take func() *inventory.Snapshot) *inventory.Snapshot {
	p.once.Do(func() { p.taken = take() })
	return p.taken
}
