package audit

import (
	"maps"
	"slices"
	"strings"
)

// Merge makes one Report of what several replicas know, each of the objects that it judges. What is said by two of them, as for a moment when objects
// change hands, is there once. Its time is the oldest, its Cluster that of the first, and its revision names all that there are. No report is none.
func Merge(reports ...Report) Report {
	if len(reports) == 1 {
		return reports[0]
	}
	out := Report{Counts: map[string]Counts{}}
	var revisions []string
	known := map[string]bool{}
	coverage := map[string]Coverage{}
	for i, r := range reports {
		if i == 0 || r.At.Before(out.At) {
			out.At = r.At
		}
		if out.Cluster == "" {
			out.Cluster = r.Cluster
		}
		revisions = append(revisions, r.Revision)
		for _, p := range r.Policies {
			if !known[p.ID] {
				known[p.ID] = true
				out.Policies = append(out.Policies, p)
			}
		}
		out.Results = append(out.Results, r.Results...)
		out.Omitted += r.Omitted
		add(out.Counts, r.Counts)
		if r.Namespaces != nil && out.Namespaces == nil {
			out.Namespaces = map[string]Counts{}
		}
		add(out.Namespaces, r.Namespaces)
		for _, c := range r.Coverage {
			coverage[c.Resource] = coverage[c.Resource].plus(c)
		}
	}
	slices.Sort(revisions)
	out.Revision = strings.Join(slices.Compact(revisions), ", ")
	slices.SortFunc(out.Policies, func(a, b Policy) int { return strings.Compare(a.ID, b.ID) })
	slices.SortStableFunc(out.Results, Compare)
	out.Results = slices.CompactFunc(out.Results, func(a, b Result) bool { return Compare(a, b) == 0 && a.Outcome == b.Outcome })
	if more := len(out.Results) - MaxResults; more > 0 {
		out.Results, out.Omitted = slices.Clip(out.Results[:MaxResults]), out.Omitted+more
	}
	for _, resource := range slices.Sorted(maps.Keys(coverage)) {
		out.Coverage = append(out.Coverage, coverage[resource])
	}
	return out
}

// add adds counts to those there are.
func add(to, from map[string]Counts) {
	for name, c := range from {
		to[name] = to[name].Plus(c)
	}
}

// plus is what both say of a resource.
func (c Coverage) plus(d Coverage) Coverage {
	out := Coverage{Resource: d.Resource, Listed: c.Listed + d.Listed, Evaluated: c.Evaluated + d.Evaluated, Errored: c.Errored + d.Errored, Trouble: c.Trouble}
	for _, skipped := range []map[string]int{c.Skipped, d.Skipped} {
		for why, n := range skipped {
			if out.Skipped == nil {
				out.Skipped = map[string]int{}
			}
			out.Skipped[why] += n
		}
	}
	switch {
	case out.Trouble == "":
		out.Trouble = d.Trouble
	case d.Trouble != "" && !strings.Contains(out.Trouble, d.Trouble):
		out.Trouble += " " + d.Trouble
	}
	return out
}
