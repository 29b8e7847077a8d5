package webhook

import (
	"context"
	"math"
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

// Limit bounds the memory of the reviews in flight by budget, in bytes: half of what the process may use is a good value. A review is taken
// to need six times the bytes of its body. One that finds no room within 100 ms is refused with review.ErrUnavailable and counted in metrics; so is,
// at once, one that needs more than the whole budget, see LeastBudget. A budget below 1 lets none run.
//
// The budget belongs to the Decorator returned: put the same one around every Reviewer that shares it. A review has its share until the
// Reviewer has returned and every review.Hold it took is released, also when the caller was answered long before.
func Limit(budget int64, metrics *Metrics) Decorator {
	budget = max(budget, 0)
	room := semaphore.NewWeighted(budget)
	return func(next review.Reviewer) review.Reviewer {
		return review.ReviewerFunc(func(ctx context.Context, req *review.Request) (review.Decision, error) {
			cost := max(costFactor*int64(len(req.Body)), 1)
			if cost > budget {
				metrics.shed(shedBudget)
				return review.Decision{}, review.Unavailable("the review needs %d bytes of memory, and all together may take %d", cost, budget)
			}
			if !room.TryAcquire(cost) {
				queue, cancel := context.WithTimeout(ctx, queueFor)
				defer cancel()
				if room.Acquire(queue, cost) != nil {
					metrics.shed(shedBudget)
					return review.Decision{}, review.Unavailable("too many reviews are in flight")
				}
			}
			ctx, returned := review.WithHold(ctx, func() { room.Release(cost) })
			defer returned()
			return next.Review(ctx, req)
		})
	}
}

// LeastBudget is the budget of a Limit below which a review that Endpoints with this maxAdmission accept could never be answered.
func LeastBudget(maxAdmission int64) int64 {
	var longest int64
	nobody := review.ReviewerFunc(nil) // the table leaves out endpoints without a Reviewer
	for _, e := range Endpoints(func(review.Stage) review.Reviewer { return nobody }, maxAdmission) {
		longest = max(longest, e.MaxBody)
	}
	if longest > math.MaxInt64/costFactor {
		return math.MaxInt64
	}
	return costFactor * longest
}
