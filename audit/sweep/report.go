package sweep

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/portcullis-dev/portcullis/audit"
)

// Report is all that is known at this moment. Of objects that other replicas judge there is nothing in it. It takes a moment that grows with the
// number of results and not of objects.
func (s *Sweep) Report() audit.Report { return s.report(true) }

// Counts is Report without the results: it takes a moment whatever was found.
func (s *Sweep) Counts() audit.Report { return s.report(false) }

// Changes is another number when Report may say something else than before but for when that is.
func (s *Sweep) Changes() uint64 { return s.room.changes.Load() }

func (s *Sweep) report(results bool) audit.Report {
	s.mu.Lock()
	policies, trouble, listed := s.force.Load(), s.troubled, s.listed
	names := slices.Clone(s.names.name)
	kinds := slices.Collect(maps.Values(s.kinds))
	s.mu.Unlock()
	known := policies.byID()
	out := audit.Report{
		At: time.Now(), Revision: policies.Revision, Coverage: []audit.Coverage{}, Policies: []audit.Policy{},
		Counts: map[string]audit.Counts{}, Namespaces: map[string]audit.Counts{},
	}
	for _, policy := range policies.List {
		out.Policies = append(out.Policies, policy.Policy)
	}
	slices.SortFunc(out.Policies, func(a, b audit.Policy) int { return cmp.Compare(a.ID, b.ID) })
	for _, k := range kinds {
		k.report(&out, names, known, results)
	}
	switch {
	case trouble != "":
		out.Coverage = append(out.Coverage, audit.Coverage{Resource: "*", Trouble: trouble})
	case !listed:
		out.Coverage = append(out.Coverage, audit.Coverage{Resource: "*", Trouble: "The cluster has not told yet which kinds it serves."})
	}
	slices.SortFunc(out.Coverage, func(a, b audit.Coverage) int { return cmp.Compare(a.Resource, b.Resource) })
	slices.SortFunc(out.Results, audit.Compare)
	return out
}

// report adds what is known of one resource.
func (k *kind) report(out *audit.Report, names []string, policies map[string]Policy, results bool) {
	s := k.shelf
	s.mu.Lock()
	defer s.mu.Unlock()
	cover := audit.Coverage{Resource: k.resource.String(), Listed: len(s.objects), Evaluated: s.tallies[evaluated], Errored: s.tallies[errored], Trouble: s.trouble}
	if cover.Trouble == "" && k.heard.Load() == 0 {
		cover.Trouble = k.resource.String() + " has not been listed to the end yet."
	}
	for i, reason := range s.skipped {
		if n := s.tallies[skippedFrom+state(i)]; n > 0 {
			if cover.Skipped == nil {
				cover.Skipped = map[string]int{}
			}
			cover.Skipped[reason] = n
		}
	}
	out.Coverage = append(out.Coverage, cover)
	for _, p := range s.profiles.list {
		for _, one := range p.pairs {
			counts := out.Counts[names[one.policy]]
			count(&counts, one.outcome, p.objects)
			out.Counts[names[one.policy]] = counts
			counts = out.Namespaces[p.namespace]
			count(&counts, one.outcome, p.objects)
			out.Namespaces[p.namespace] = counts
		}
	}
	for _, d := range s.details {
		if out.Omitted += d.omitted; !results {
			continue
		}
		about := k.about(d)
		for _, r := range d.results {
			id := names[r.policy]
			out.Results = append(out.Results, audit.Result{
				Policy: id, Object: about, Outcome: ranks()[r.outcome], Severity: policies[id].Severity, Message: r.message.Value(), Field: r.field.Value(),
				Exception: r.exception, Since: time.Unix(r.since, 0).UTC(),
			})
		}
	}
}

// about is the object of which something is said.
func (k *kind) about(d *detail) audit.Object {
	return audit.Object{
		Group: k.resource.Group, Version: d.version, Kind: k.resource.Kind, Resource: k.resource.Name, Namespace: d.namespace, Name: d.name, UID: d.uid,
	}
}

// count adds n pairs of an outcome.
func count(c *audit.Counts, outcome uint8, n int) {
	var one audit.Counts
	one.Add(ranks()[outcome])
	c.Pass, c.Fail, c.Warn, c.Skip, c.Fault = c.Pass+n*one.Pass, c.Fail+n*one.Fail, c.Warn+n*one.Warn, c.Skip+n*one.Skip, c.Fault+n*one.Fault
}

// Through reports whether everything has been looked at once, but for what cannot be.
func (s *Sweep) Through() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.kinds {
		if k.heard.Load() == 0 && !k.shelf.troubled() {
			return false
		}
	}
	return s.begun()
}

// begun reports whether policies are in force and whatever they are about is followed. s.mu must be held.
func (s *Sweep) begun() bool {
	policies := s.force.Load()
	return s.listed && policies.numbers != nil && s.followed == policies
}

// Age is how long ago the API server was last heard of about the resource of which that is longest, and false if some resource has not been
// listed to the end yet, or nothing is known of the resources or the policies. Where nothing happens an API server is heard of every minute.
func (s *Sweep) Age() (time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.begun() {
		return 0, false
	}
	oldest := time.Duration(0)
	for _, k := range s.kinds {
		at := k.heard.Load()
		if at == 0 {
			return 0, false
		}
		oldest = max(oldest, time.Since(time.Unix(0, at)))
	}
	return oldest, true
}
