package registration

import (
	"context"
	"time"
)

// taken is what the API server was last seen to have taken up.
type taken struct {
	fingerprint string // of the bundle in all configurations
	lag         time.Duration
}

// proof is what a probe has proven.
type proof struct {
	address string
	label   string // by which the API server tells the registration
}

// prove probes what has not been proven, and says whether anything was.
func (k *Keeper) prove(ctx context.Context, o Options, at []place, objects []*object) (progress bool, err error) {
	for n, p := range at {
		if p.phase == "" {
			continue
		}
		want := proof{address: address(objects[n].webhook(probeName(p.phase))), label: probed(objects[n], p.phase)}
		if k.proven[p.phase] == want {
			continue
		}
		answer, err := k.probe(ctx, o, p.phase, want.label)
		if err != nil {
			last := k.checked[p.phase]
			k.checked[p.phase] = check{at: k.now(), failed: last.failed + 1, err: err}
			return progress, err
		}
		k.log.Info("a webhook was seen to answer through the API server", "phase", string(p.phase), "replica", answer.Replica, "bundle", Fingerprint(o.Bundle))
		k.proven[p.phase], k.checked[p.phase], progress = want, check{at: k.now()}, true
	}
	if progress {
		k.taken.Store(&taken{fingerprint: Fingerprint(o.Bundle), lag: k.now().Sub(k.changed)})
	}
	return progress, nil
}

// Lag is how long the API server took until it went by the configurations when they were last written; 0 if that was not seen. It may be
// called at any time.
func (k *Keeper) Lag() time.Duration {
	if t := k.taken.Load(); t != nil {
		return t.lag
	}
	return 0
}

// Published returns the authorities which every webhook registered in the cluster has callers trust, as PEM, once the API server was seen
// to go by them. It is nil before, and if no webhook is registered, as when the cluster is unlocked: nobody calls then. It may be called at
// any time.
func (k *Keeper) Published(ctx context.Context) ([]byte, error) {
	seen := k.taken.Load()
	if seen == nil {
		return nil, nil
	}
	live, err := k.read(ctx, places(k.options.Name))
	if err != nil {
		return nil, err
	}
	var bundles [][]byte
	for _, o := range live {
		if o == nil {
			continue
		}
		for _, hook := range o.Webhooks {
			bundles = append(bundles, hook.ClientConfig.CABundle)
		}
	}
	if published := common(bundles); Fingerprint(published) == seen.fingerprint {
		return published, nil
	}
	return nil, nil
}
