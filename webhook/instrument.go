package webhook

import (
	"context"
	"errors"
	"time"

	"github.com/portcullis-dev/portcullis/review"
)

// Instrument measures how long the Reviewer takes and how many reviews it has in flight, under the stage as the webhook's name.
func Instrument(metrics *Metrics, stage review.Stage) Decorator {
	webhook := string(stage)
	return func(next review.Reviewer) review.Reviewer {
		return review.ReviewerFunc(func(ctx context.Context, req *review.Request) (d review.Decision, err error) {
			inflight := metrics.inflight.WithLabelValues(webhook)
			inflight.Inc()
			start := time.Now()
			answered := false
			defer func() { // also when the Reviewer panics, which is not for this decorator to stop
				inflight.Dec()
				decision := decisionError
				if answered {
					decision = decisionOf(d, err)
				}
				metrics.duration.WithLabelValues(webhook, operationOf(req), decision).Observe(time.Since(start).Seconds())
			}()
			d, err = next.Review(ctx, req)
			answered = true
			return d, err
		})
	}
}

// decisionOf is the label for how a review ended.
func decisionOf(d review.Decision, err error) string {
	switch {
	case err == nil:
		return d.Verdict.String()
	case errors.Is(err, review.ErrUnavailable):
		return decisionUnavailable
	default:
		return decisionError
	}
}
