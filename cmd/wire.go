package cmd

import (
	"context"
	"log/slog"

	"github.com/portcullis-dev/portcullis/audit"
	"github.com/portcullis-dev/portcullis/mutators"
	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/review"
	"github.com/portcullis-dev/portcullis/webhook"
)

// wiring is what the Reviewers of all endpoints share.
type wiring struct {
	engine   *policies.Engine
	recorder *audit.Recorder // nil when no decisions are kept
	metrics  *metrics
	memory   int64
	exempt   []string
}

// reviewers puts the decorators around who answers at each stage, outermost first. This list is the way of one request.
func (w wiring) reviewers() func(review.Stage) review.Reviewer {
	limit := webhook.Limit(w.memory, w.metrics.webhook)
	return func(stage review.Stage) review.Reviewer {
		answers := review.Reviewer(w.engine)
		if stage == review.Mutate {
			answers = mutating(w.engine)
		}
		return webhook.Decorate(answers,
			webhook.Instrument(w.metrics.webhook, stage),
			w.record,
			webhook.Recover(), // inside the record, so that a panic is on it
			limit,
			webhook.Exempt(w.exempt...),
			w.metrics.findings,
		)
	}
}

func (w wiring) record(next review.Reviewer) review.Reviewer {
	if w.recorder == nil {
		return next
	}
	return w.recorder.Around(next)
}

// mutating asks the chain of mutators, all of whose links and runs see the Set in force when the request came.
func mutating(engine *policies.Engine) review.Reviewer {
	return review.ReviewerFunc(func(ctx context.Context, req *review.Request) (review.Decision, error) {
		set := engine.Set()
		if set == nil {
			return review.Decision{}, engine.Ready()
		}
		return mutators.Chain{mutators.Ask(set)}.Review(ctx, req)
	})
}

// reportLoad tells the log and the metrics what came of loading policies. A fault that was told is not told again while it lasts.
func reportLoad(log *slog.Logger, m *metrics) func(policies.Load) {
	told := map[string]bool{}
	return func(load policies.Load) {
		m.loaded(load)
		now := map[string]bool{}
		for _, fault := range load.Faults {
			now[fault.Err.Error()] = true
			if told[fault.Err.Error()] {
				continue
			}
			log.Error("a policy is faulty; its last good version, if any, stays in force", "file", fault.File, "policy", fault.Policy, "error", fault.Err)
		}
		told = now
		if load.Set == nil {
			return
		}
		log.Info("policies are in force", "policies", len(load.Set.Policies()), "revision", load.Set.Revision(),
			"faults", len(load.Faults), "kept", load.Kept)
	}
}
