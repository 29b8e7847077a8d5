package policies

import (
	"context"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/portcullis-dev/portcullis/review"
)

// evaluate asks the rules one after the other and returns an answer for each. Each may use half of the time that is left, so that
// one slow policy cannot make the others late. OPA's cancellation is advisory, single builtins run on for seconds, so the asking
// happens on a goroutine of its own which is left behind, with its answer unheard, when it does not stop.
func evaluate(ctx context.Context, c crew, rules []asked, in inputs, observe Observer) []answer {
	answers := make([]answer, 0, len(rules))
	for len(answers) < len(rules) && ctx.Err() == nil {
		begun := time.Now()
		w := &worker{
			rules: rules[len(answers):], in: in.unshared(), observe: observe, cancel: topdown.NewCancel(), done: make(chan struct{}), since: begun,
		}
		release := review.Hold(ctx) // the worker may be left behind, with the review in its hands
		c.run(func() {
			defer release()
			w.run(ctx, begun)
		})
		answers = append(answers, w.wait(ctx, begun)...)
	}
	for _, rule := range rules[len(answers):] {
		answers = append(answers, answer{asked: rule, err: errLate})
	}
	return answers
}

// worker asks rules in order until it is through or told to stop.
type worker struct {
	rules   []asked
	in      inputs
	observe Observer
	cancel  topdown.Cancel
	done    chan struct{}

	mu      sync.Mutex
	stopped bool
	answers []answer
	since   time.Time // when the current rule was begun
}

func (w *worker) run(ctx context.Context, begun time.Time) {
	defer close(w.done)
	for _, rule := range w.rules {
		var got answer
		if rule.behind.quarantined(begun) {
			w.observe.Quarantined(rule.spec.ID)
			got = answer{asked: rule, err: errQuarantined}
		} else if w.in.looked != nil {
			got = askVeiled(ctx, rule, &w.in, w.cancel)
		} else {
			got = ask(ctx, rule, w.in, w.cancel)
		}
		now := time.Now()
		w.mu.Lock()
		stopped := w.stopped
		if !stopped {
			w.answers = append(w.answers, got)
			w.since = now
		}
		w.mu.Unlock()
		if stopped {
			rule.behind.ended(w)
			w.observe.Overrun(rule.spec.ID, -1)
			return
		}
		w.observe.Asked(rule.spec.ID, now.Sub(begun), got.err)
		begun = now
	}
}

// wait returns the answers of a worker that is through, or those of one whose current rule used up its time, with that fault last.
func (w *worker) wait(ctx context.Context, begun time.Time) []answer {
	deadline, bounded := ctx.Deadline()
	if !bounded {
		select {
		case <-w.done:
			return w.answers
		case <-ctx.Done():
			return w.stop()
		}
	}
	timer := time.NewTimer(budget(begun, deadline))
	defer timer.Stop()
	for {
		select {
		case <-w.done:
			return w.answers
		case <-ctx.Done():
			return w.stop()
		case now := <-timer.C:
			w.mu.Lock()
			left := budget(w.since, deadline) - now.Sub(w.since)
			w.mu.Unlock()
			if left <= 0 {
				return w.stop()
			}
			timer.Reset(left)
		}
	}
}

// budget is how long a rule begun at start may take.
func budget(start, deadline time.Time) time.Duration { return deadline.Sub(start) / 2 }

// stop ends a worker and takes its answers, adding the fault of the rule it was at.
func (w *worker) stop() []answer {
	w.cancel.Cancel()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.answers) == len(w.rules) {
		return w.answers
	}
	w.stopped = true
	late := w.rules[len(w.answers)]
	late.behind.add(w, w.since)
	w.observe.Overrun(late.spec.ID, 1)
	w.observe.Asked(late.spec.ID, time.Since(w.since), errLate)
	return append(w.answers, answer{asked: late, err: errLate})
}
