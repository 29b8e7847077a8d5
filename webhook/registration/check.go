package registration

import (
	"context"
	"fmt"
	"time"
)

// doubt is how soon to probe again what was proven and does not answer now. One lost answer is not told.
const doubt = 10 * time.Second

// check is what came of the last probe of what is proven: that the API server has reached us once does not say that it still does.
type check struct {
	at     time.Time
	failed int // probes, one after the other
	err    error
}

// check probes once a minute what is proven, and sooner what did not answer. lost is why something has not answered twice. It stays as it is
// registered: who cannot be reached must not let requests pass for that. doubted says that something has not answered the last time.
func (k *Keeper) check(ctx context.Context, o Options, at []place) (lost error, doubted bool) { //nolint:revive // lost is not the failure of check
	for _, p := range at {
		if p.phase == "" {
			continue
		}
		last := k.checked[p.phase]
		if last.due(k.now()) {
			_, err := k.probe(ctx, o, p.phase, k.proven[p.phase].label)
			last = k.told(p.phase, last, err)
			k.checked[p.phase] = last
		}
		doubted = doubted || last.failed > 0
		if last.failed > 1 {
			lost = fmt.Errorf("the API server does not reach this server any more: %w", last.err)
		}
	}
	return lost, doubted
}

func (c check) due(now time.Time) bool {
	if c.failed > 0 {
		return now.Sub(c.at) >= doubt
	}
	return now.Sub(c.at) >= look
}

// told is the check after another probe.
func (k *Keeper) told(phase Phase, last check, err error) check {
	next := check{at: k.now()}
	switch {
	case err != nil:
		next.failed, next.err = last.failed+1, err
		if next.failed > 1 {
			k.metrics.failed()
		}
		if next.failed == 2 {
			k.log.Error("the API server does not reach this server any more; what is registered stays", "phase", string(phase), "error", err)
		}
	case last.failed > 1:
		k.log.Info("the API server reaches this server again", "phase", string(phase))
	}
	return next
}

// probe probes a registration, and counts what came of it. Who is asked and does not answer is told so by the API server, which waits for as
// long as the webhook says.
func (k *Keeper) probe(ctx context.Context, o Options, phase Phase, label string) (Answer, error) {
	hook := o.probe(phase, nil)
	ctx, cancel := context.WithTimeout(ctx, probeTime+time.Duration(*hook.TimeoutSeconds)*time.Second)
	defer cancel()
	answer, err := probing(ctx, phase, func(ctx context.Context) (Answer, bool, error) {
		return probeOnce(ctx, k.client, o.Namespace, phase, label)
	})
	k.metrics.probed(err == nil)
	return answer, err
}
