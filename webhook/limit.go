package webhook

import (
	"context"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/portcullis-dev/portcullis/review"
)

const (
	// costFactor is how many bytes of memory a review takes for each byte of its body: the body itself, its decoded form of
	// four to five times that, and the answer.
	costFactor = 6
	// queueFor is how long a review waits for its turn. Longer queues only make every answer late; the caller asks again, and
	// perhaps another replica.
	queueFor = 100 * time.Millisecond
)

// Limit bounds the memory of the reviews in flight by budget, in bytes: half of what the process may use is a good value. A
// review that finds no room within 100 ms is refused with review.ErrUnavailable and counted in metrics. One that is larger than
// the whole budget waits until it is alone. A budget below 1 lets one review run at a time.
//
// The budget belongs to the Decorator returned: put the same one around every Reviewer that shares it. It is held until the
// Reviewer returns, also when the caller was answered long before.
func Limit(budget int64, metrics *Metrics) Decorator {
	budget = max(budget, 1)
	room := semaphore.NewWeighted(budget)
	return func(next review.Reviewer) review.Reviewer {
		return review.ReviewerFunc(func(ctx context.Context, req *review.Request) (review.Decision, error) {
			cost := min(max(costFactor*int64(len(req.Body)), 1), budget)
			if !room.TryAcquire(cost) {
				queue, cancel := context.WithTimeout(ctx, queueFor)
				defer cancel()
				if room.Acquire(queue, cost) != nil {
					metrics.shed(shedBudget)
					return review.Decision{}, review.Unavailable("too many reviews are in flight")
				}
			}
			defer room.Release(cost)
			return next.Review(ctx, req)
		})
	}
}
