package cmd

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/portcullis-dev/portcullis/policies/source"
	"github.com/portcullis-dev/portcullis/policies/source/state"
)

const (
	// stateAfter is how long the cluster may take to answer before what was kept stands in. A listing takes a fraction of a second.
	stateAfter = 5 * time.Second
	// stateEvery bounds how often the state is written for the Namespaces' sake, some of which change all the time, and how often what
	// could not be written is tried again.
	stateEvery = 30 * time.Second
)

// keeping keeps on disk what the server lives by and, when the server is started while the cluster does not answer, has it stand in until it
// does. Each of policies, Namespaces and certificate stands in by itself.
type keeping struct {
	member *member
	dir    *state.Dir
	of     string
	kept   *state.State // from before; nil if there is nothing of use
	log    *slog.Logger

	failures prometheus.Counter
	told     string // the error that was logged last

	dirty atomic.Bool // policies have changed
	// What was written last: the certificate, how often Namespaces had changed, and when it was tried.
	certificate []byte
	changes     int64
	tried       time.Time
}

// newKeeping reads what was kept. That it is of no use is told, and no reason not to start.
func newKeeping(c *member, stored bool) (*keeping, error) {
	k := &keeping{
		member: c, dir: state.In(c.flags.stateDir), log: c.log.With("dir", c.flags.stateDir),
		// What is of another cluster, or lacks what is looked for now, must not stand in.
		of: fmt.Sprintf("%s %s/%s certificate=%t policies=%t %s%s", c.config.Host, c.flags.namespace, c.flags.name, stored, c.flags.policies,
			strings.Join(c.flags.configMaps, ","), c.theirs.settings()),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "portcullis_state_write_failures_total",
			Help: "How often what the server lives by could not be written to --state-dir.",
		}),
	}
	age := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "portcullis_state_age_seconds",
		Help: "How long ago the state was written that stands in for the cluster, which has not answered since the start; 0 when nothing stands in.",
	}, func() float64 { return k.age().Seconds() })
	for _, metric := range []prometheus.Collector{k.failures, age} {
		if err := c.metrics.Registry.Register(metric); err != nil {
			return nil, err
		}
	}
	kept, err := k.dir.Read()
	switch {
	case err != nil:
		k.log.Warn("what was kept from before is of no use", "error", err)
	case kept != nil && kept.Of != k.of:
		k.log.Warn("what was kept from before is of another cluster, release or settings, and is ignored", "of", kept.Of, "wanted", k.of)
	default:
		k.kept = kept
	}
	if k.kept != nil && c.objects != nil {
		c.objects.Kept = &source.Kept{Files: k.kept.Policies, Good: k.kept.Good, After: stateAfter}
	}
	if k.kept != nil && c.theirs != nil {
		c.theirs.objects.Kept = &source.Kept{Files: k.kept.Gatekeeper, Good: k.kept.GatekeeperGood, After: stateAfter}
	}
	return k, nil
}

// wake has the state written that the policies have now. It may be called when nothing is kept.
func (k *keeping) wake() {
	if k != nil {
		k.dirty.Store(true)
	}
}

// run restores and keeps until ctx ends.
func (k *keeping) run(ctx context.Context) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	began := time.Now()
	restored := k.kept == nil
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticker.C:
			if !restored && now.Sub(began) >= stateAfter {
				restored = true
				k.restore()
			}
			k.write(ctx, now)
		}
	}
}

// restore has stand in what has not been read from the cluster. The policies do so by themselves.
func (k *keeping) restore() {
	if pair := k.member.pair; pair != nil {
		if err := pair.Restore(k.kept.Certificate, k.kept.Key, k.kept.Authorities); err != nil {
			k.log.Warn("the certificate that was kept cannot be served", "error", err)
		}
	}
	if k.kept.Namespaces != nil {
		if err := k.member.namespaces.restore(k.kept.Namespaces); err != nil {
			k.log.Warn("the namespaces that were kept cannot be used", "error", err)
		}
	}
	if missing := k.standIns(); len(missing) > 0 {
		k.log.Warn("the cluster does not answer; what was kept stands in until it does", "kept", strings.Join(missing, ", "), "written", k.kept.Written)
	}
}

// standIns are the parts that were kept and stand in for the cluster.
func (k *keeping) standIns() (out []string) {
	if k.member.standsInPolicies() {
		out = append(out, "policies")
	}
	if k.member.namespaces.standIn() {
		out = append(out, "namespaces")
	}
	if k.member.pair != nil && k.member.pair.Restored() {
		out = append(out, "certificate")
	}
	return out
}

// age is how old what stands in is; zero if nothing does.
func (k *keeping) age() time.Duration {
	if k.kept == nil || len(k.standIns()) == 0 {
		return 0
	}
	return max(time.Since(k.kept.Written), time.Millisecond)
}

// note tells in the readiness what stands in.
func (k *keeping) note() string {
	age := k.age()
	if age == 0 {
		return ""
	}
	return fmt.Sprintf("the cluster does not answer; its %s of %s ago stand in", strings.Join(k.standIns(), ", "), age.Round(time.Second))
}

// write keeps what the server lives by now, if it has changed, all of it was read from the cluster, and it is time.
func (k *keeping) write(ctx context.Context, now time.Time) {
	c := k.member
	select {
	case <-c.namespaces.synced:
	default:
		return
	}
	next := &state.State{Of: k.of, Written: now.UTC().Round(0)}
	if c.pair != nil {
		if next.Certificate, next.Key, next.Authorities = c.pair.Pair(); next.Certificate == nil {
			return
		}
	}
	changes := c.namespaces.changes.Load()
	again := now.Sub(k.tried) >= stateEvery && (k.told != "" || changes != k.changes)
	if !k.dirty.Load() && !again && bytes.Equal(next.Certificate, k.certificate) {
		return
	}
	k.dirty.Store(false) // before they are read: what changes meanwhile is written the next time
	if c.objects != nil {
		kept := c.objects.Keep()
		if kept == nil {
			return
		}
		next.Policies, next.Good = kept.Files, kept.Good
	}
	if c.theirs != nil {
		kept := c.theirs.objects.Keep()
		if kept == nil {
			return
		}
		next.Gatekeeper, next.GatekeeperGood = kept.Files, kept.Good
	}
	var err error
	if next.Namespaces, err = c.namespaces.all(ctx); err == nil {
		err = k.dir.Write(next)
	}
	k.certificate, k.changes, k.tried = next.Certificate, changes, now
	if err == nil {
		k.told = ""
		return
	}
	k.failures.Inc()
	if err.Error() != k.told {
		k.told = err.Error()
		k.log.Warn("a server that is started while the cluster does not answer will not have what this one has", "error", err)
	}
}

// standsInPolicies reports whether the policies in force were kept from before.
func (c *member) standsInPolicies() bool {
	return c.theirs.standIn() || c.objects != nil && c.objects.Ready() == nil && !c.objects.Live()
}

// standsIn reports whether something does by which the leader writes. What it wrote would be of the past.
func (c *member) standsIn() bool { return c.standsInPolicies() || c.pair != nil && c.pair.Restored() }
