package cmd

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/portcullis-dev/portcullis/audit/sweep"
	"github.com/portcullis-dev/portcullis/policies"
	theirstatus "github.com/portcullis-dev/portcullis/policies/gatekeeper/status"
	"github.com/portcullis-dev/portcullis/policies/inventory"
)

// auditor has what is in the cluster judged by the policies in force.
type auditor struct {
	sweep  *sweep.Sweep
	exempt []string
	store  *inventory.Store
	set    atomic.Pointer[policies.Set]
}

// audits makes the auditor. busy is how many requests are under way, for which judging waits.
func (c *member) audits(busy *atomic.Int64) (*auditor, error) {
	cluster, err := sweep.NewCluster(c.config)
	if err != nil {
		return nil, err
	}
	metrics, err := newAuditMetrics(c.metrics.Registry)
	if err != nil {
		return nil, err
	}
	a := &auditor{exempt: c.exempt, store: c.store}
	options := sweep.Options{
		Cluster: cluster, Own: c.flags.replica, Interval: c.flags.auditInterval, Observer: metrics, Log: c.log,
		Busy: func() bool { return busy.Load() > 0 },
	}
	if c.replicas != nil {
		options.Members = c.live
	}
	if a.sweep, err = sweep.New(options); err != nil {
		return nil, err
	}
	return a, metrics.shows(a.sweep)
}

// live are the names of the replicas that are alive.
func (c *member) live() ([]string, error) {
	members, err := c.replicas.Members()
	var out []string
	for _, m := range members {
		out = append(out, m.Name)
	}
	return out, err
}

// use has the policies of a Set audit what is there.
func (a *auditor) use(set *policies.Set) {
	if a == nil || set == nil {
		return
	}
	out := &sweep.Policies{Revision: set.Revision(), Judge: newAuditJudge(set, a.exempt)}
	for _, policy := range set.Policies() {
		version, until := set.AuditVersion(policy)
		out.List = append(out.List, sweep.Policy{Policy: auditPolicy(policy), Version: version, Until: until, Concerns: concerns(policy.Spec().Match)})
	}
	a.set.Store(set)
	a.sweep.Use(out)
}

// theirAudit writes what the audit has found at Gatekeeper's constraints.
func (c *member) theirAudit() *theirstatus.AuditWriter {
	return &theirstatus.AuditWriter{
		Client: c.dynamic, Release: c.flags.name, Replica: c.flags.replica, Followed: c.theirs.objects.Followed, Found: c.auditor.violations,
		Replicas: c.live, Log: c.log,
	}
}

// violations are what this replica has found by constraints, once it has looked at everything that it may look at.
func (a *auditor) violations() (map[string]theirstatus.Violations, bool) {
	set := a.set.Load()
	if set == nil || !a.sweep.Through() {
		return nil, false
	}
	theirs := map[string]bool{}
	for _, policy := range set.Policies() {
		if spec := policy.Spec(); spec.Convention == policies.Gatekeeper {
			theirs[spec.ID] = true
		}
	}
	first, all := a.sweep.First(theirstatus.MaxViolations, func(id string) bool { return theirs[id] })
	out := map[string]theirstatus.Violations{}
	for id, results := range first {
		found := theirstatus.Violations{Total: all[id]}
		for _, r := range results {
			found.First = append(found.First, theirstatus.Violation{
				Group: r.Object.Group, Version: r.Object.Version, Kind: r.Object.Kind, Namespace: r.Object.Namespace, Name: r.Object.Name, Message: r.Message,
			})
		}
		out[id] = found
	}
	return out, true
}

// run audits until ctx ends.
func (a *auditor) run(ctx context.Context) error {
	following, cancel := context.WithCancel(ctx)
	defer cancel()
	go a.followInventory(following)
	return a.sweep.Run(ctx)
}

// followInventory has policies asked again when what they read of other objects has changed.
func (a *auditor) followInventory(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	before := a.store.Snapshot()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := a.store.Snapshot()
		if now != before {
			a.touch(func(p *policies.Policy) bool { return p.ReadsOthers(before, now) })
		}
		before = now
	}
}

// relabelled has policies asked again that may go by the Namespaces, since one has changed.
func (a *auditor) relabelled() {
	if a != nil {
		a.touch((*policies.Policy).ReadsNamespace)
	}
}

func (a *auditor) touch(which func(*policies.Policy) bool) {
	set := a.set.Load()
	if set == nil {
		return
	}
	var names []string
	for _, policy := range set.Policies() {
		if which(policy) {
			names = append(names, policy.Spec().ID)
		}
	}
	a.sweep.Touch(names...)
}

// concerns tells which resources a match may be about.
func concerns(m policies.Match) func(sweep.Resource) bool {
	return func(r sweep.Resource) bool {
		byResource := len(m.Resources) == 0 && len(m.Kinds) == 0 && !unaskedAbout(r)
		for _, one := range m.Resources {
			switch {
			case one.Subresource != "":
			case one.Any:
				byResource = byResource || !unaskedAbout(r)
			case one.Resource == "":
				byResource = byResource || one.Group == r.Group && !unaskedAbout(r)
			default:
				byResource = byResource || one.Group == r.Group && one.Resource == r.Name
			}
		}
		byKind := slices.ContainsFunc(m.Kinds, func(k policies.GroupKind) bool {
			return (k.Group == "*" || k.Group == r.Group) && (k.Kind == r.Kind || k.Kind == "*" && !unaskedAbout(r))
		})
		if len(m.Resources) > 0 && len(m.Kinds) > 0 {
			return byResource && byKind
		}
		return byResource || byKind
	}
}

// unaskedAbout reports whether a resource is only audited by policies that name it: those of which new objects come every second, and which say what
// happens and not what is there; and reports, which say what was judged.
func unaskedAbout(r sweep.Resource) bool {
	return slices.Contains([]string{"events", "events.events.k8s.io", "leases.coordination.k8s.io"}, r.String()) ||
		r.Group == "openreports.io" || r.Group == "wgpolicyk8s.io"
}
