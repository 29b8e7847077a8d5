package cmd

import (
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/portcullis-dev/portcullis/audit/decisions"
	"github.com/portcullis-dev/portcullis/mutators"
	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/review"
	"github.com/portcullis-dev/portcullis/webhook"
)

// Wiring is the way of one request between the listener and who answers. Serve makes one of its flags. It is exported for the contract
// tests alone, so that what they hold the server to is this very list of decorators. The fields without a remark must be set.
type Wiring struct {
	Answers     func(review.Stage) review.Reviewer // who answers at each stage, as Answers says
	Recorders   decisions.Recorders                // none when no decisions are kept
	Credentials *decisions.Credentials             // names those that users present; nil gives no names
	Metrics     *Metrics
	Memory      int64                                  // what reviews under way may take together, in bytes; at least webhook.LeastBudget(MaxBody)
	MaxBody     int64                                  // the largest AdmissionReview in bytes; 0 is webhook.DefaultMaxAdmission
	Exempt      []string                               // namespaces in which admission is always allowed; may be nil
	Heard       func(review.Stage)                     // told of every request; may be nil
	Count       func(*review.Request, review.Decision) // told what came of every request; may be nil
	UnderWay    *atomic.Int64                          // how many requests are being judged; may be nil
	Beside      []webhook.Endpoint                     // served beside those of the stages, without the decorators; may be nil
	Log         *slog.Logger
}

// Handler returns what answers at all endpoints.
func (w Wiring) Handler() (*webhook.Handler, error) {
	handler, err := webhook.NewHandler(append(webhook.Endpoints(w.reviewers(), w.MaxBody), w.Beside...), w.Metrics.Webhook, w.Log)
	if err == nil && len(w.Recorders) > 0 {
		handler.Heard = w.Recorders.Hear
	}
	return handler, err
}

// reviewers puts the decorators around who answers at each stage, outermost first. This list is the way of one request; around all of it the
// handler puts one more, webhook.Recover.
func (w Wiring) reviewers() func(review.Stage) review.Reviewer {
	limit := webhook.Limit(w.Memory, w.Metrics.Webhook)
	return func(stage review.Stage) review.Reviewer {
		return webhook.Decorate(w.Answers(stage),
			webhook.Instrument(w.Metrics.Webhook, stage),
			limit,
			webhook.Exempt(w.Exempt...),
			w.hear(stage),
			w.Metrics.findings,
			w.count,
			w.mark,
			w.underWay,
		)
	}
}

// hear tells that the API server asks at a stage.
func (w Wiring) hear(stage review.Stage) webhook.Decorator {
	return func(next review.Reviewer) review.Reviewer {
		if w.Heard == nil {
			return next
		}
		return review.ReviewerFunc(func(ctx context.Context, req *review.Request) (review.Decision, error) {
			w.Heard(stage)
			return next.Review(ctx, req)
		})
	}
}

// underWay counts a request as long as it is being judged.
func (w Wiring) underWay(next review.Reviewer) review.Reviewer {
	if w.UnderWay == nil {
		return next
	}
	return review.ReviewerFunc(func(ctx context.Context, req *review.Request) (review.Decision, error) {
		w.UnderWay.Add(1)
		defer w.UnderWay.Add(-1)
		return next.Review(ctx, req)
	})
}

// count tells what came of a request.
func (w Wiring) count(next review.Reviewer) review.Reviewer {
	if w.Count == nil {
		return next
	}
	return review.ReviewerFunc(func(ctx context.Context, req *review.Request) (review.Decision, error) {
		d, err := next.Review(ctx, req)
		w.Count(req, d)
		return d, err
	})
}

// mark says of a user by which credential they were known.
func (w Wiring) mark(next review.Reviewer) review.Reviewer {
	if w.Credentials == nil {
		return next
	}
	return review.ReviewerFunc(func(ctx context.Context, req *review.Request) (review.Decision, error) {
		d, err := next.Review(ctx, req)
		w.Credentials.Mark(req, &d)
		return d, err
	})
}

// Answers returns who answers at each stage: the engine, and where there is something to change, the chain of mutators that asks it. Before
// the engine go Gatekeeper's mutators; nil are none.
func Answers(engine *policies.Engine, theirs *Mutators) func(review.Stage) review.Reviewer {
	return func(stage review.Stage) review.Reviewer {
		if stage == review.Mutate {
			return mutating(engine, theirs)
		}
		return engine
	}
}

// mutating asks the chain of mutators, all of whose links and runs see what was in force when the request came.
func mutating(engine *policies.Engine, theirs *Mutators) review.Reviewer {
	return policies.Steady(review.ReviewerFunc(func(ctx context.Context, req *review.Request) (review.Decision, error) {
		set := engine.Set()
		if set == nil {
			return review.Decision{}, engine.Ready()
		}
		if theirs == nil {
			return mutators.Chain{mutators.Ask(set)}.Review(ctx, req)
		}
		first := theirs.current.Load()
		if first == nil {
			return review.Decision{}, theirs.ready()
		}
		return first.chain(set).Review(ctx, req)
	}))
}
