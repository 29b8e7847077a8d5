package export

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/audit"
)

// By is what a report is grouped by.
type By string

// The groupings.
const (
	ByPolicy    By = "policy"
	ByNamespace By = "namespace"
	ByControl   By = "control" // as policies name them: "cis-1.9/5.2.2", "pss/baseline"
	BySeverity  By = "severity"
)

// Groupings are all of them.
func Groupings() []By { return []By{ByPolicy, ByNamespace, ByControl, BySeverity} }

// State is what a group comes to: the worst there is of it.
type State string

// The states, the worst first.
const (
	Violated State = "violated"
	Unknown  State = "error" // nothing fails, but not everything could be judged
	Warned   State = "warned"
	Excepted State = "excepted" // all that fails is excepted
	Met      State = "met"
	Unjudged State = "not judged" // nothing of it is there, or no policy can tell
)

// Group is what a report has on one policy, namespace, control or severity.
type Group struct {
	Name     string         // as a control is named; empty for objects in no namespace, and for policies without a control or severity
	Title    string         // of a policy, and of a standard's control where it says more than Name; may be empty
	Policies []audit.Policy // by which it is judged; none of a namespace
	Counts   audit.Counts
	Counted  bool           // whether Counts has the passes
	Results  []audit.Result // those of its policies, or in its namespace
}

// Label is the name of the group for people.
func (g Group) Label(by By) string {
	if g.Name != "" {
		return g.Name
	}
	return map[By]string{ByNamespace: "(cluster)", ByControl: "(no control)", BySeverity: "(no severity)"}[by]
}

// State is what the group comes to.
func (g Group) State() State {
	switch c := g.Counts; {
	case c.Fail > 0:
		return Violated
	case c.Fault > 0:
		return Unknown
	case c.Warn > 0:
		return Warned
	case c.Skip > 0:
		return Excepted
	case c.Pass > 0:
		return Met
	default:
		return Unjudged
	}
}

// Unaudited are its policies of which nothing is known.
func (g Group) Unaudited() (out []audit.Policy) {
	for _, p := range g.Policies {
		if p.Unaudited != "" {
			out = append(out, p)
		}
	}
	return out
}

// Groups are what a report has, grouped: every policy in force, every control that one of them is evidence for, every namespace of which something
// is known, and every severity. A result of a policy with several controls is in the group of each.
func Groups(r *audit.Report, by By) []Group {
	groups := map[string]*Group{}
	group := func(name string) *Group {
		if groups[name] == nil {
			groups[name] = &Group{Name: name}
		}
		return groups[name]
	}
	known := map[string]audit.Policy{}
	for _, p := range policiesOf(r) {
		known[p.ID] = p
		if by == ByNamespace {
			continue
		}
		for _, name := range namesOf(p, by) {
			g := group(name)
			g.Policies, g.Counts, g.Counted = append(g.Policies, p), g.Counts.Plus(r.Counts[p.ID]), true
			if by == ByPolicy {
				g.Title = p.Title
			}
		}
	}
	for _, result := range r.Results {
		names := []string{result.Object.Namespace}
		if by != ByNamespace {
			names = namesOf(known[result.Policy], by)
		}
		for _, name := range names {
			g := group(name)
			g.Results = append(g.Results, result)
		}
	}
	if by == ByNamespace {
		for name, counts := range r.Namespaces {
			g := group(name)
			g.Counts, g.Counted = counts, true
		}
		for _, g := range groups {
			if !g.Counted {
				g.Counts = audit.Pairs(g.Results)
			}
		}
	}
	out := make([]Group, 0, len(groups))
	for _, name := range slices.SortedFunc(maps.Keys(groups), order(by)) {
		out = append(out, *groups[name])
	}
	return out
}

// namesOf are the groups a policy is in.
func namesOf(p audit.Policy, by By) []string {
	switch {
	case by == ByPolicy:
		return []string{p.ID}
	case by == BySeverity:
		return []string{p.Severity}
	case len(p.Controls) == 0:
		return []string{""}
	}
	return slices.Compact(slices.Sorted(slices.Values(p.Controls)))
}

// policiesOf are the policies of a report, and those of which it has results or counts although it does not name them.
func policiesOf(r *audit.Report) []audit.Policy {
	out, named := slices.Clone(r.Policies), map[string]bool{}
	for _, p := range r.Policies {
		named[p.ID] = true
	}
	add := func(id string) {
		if !named[id] {
			named[id] = true
			out = append(out, audit.Policy{ID: id})
		}
	}
	for id := range r.Counts {
		add(id)
	}
	for _, result := range r.Results {
		add(result.Policy)
	}
	slices.SortStableFunc(out, func(a, b audit.Policy) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// order is that in which groups are read: the most severe first, and 5.2.2 before 5.2.10; what has no name is first among namespaces, and else last.
func order(by By) func(a, b string) int {
	severities := []string{"critical", "high", "medium", "low"}
	return func(a, b string) int {
		switch {
		case (a == "" || b == "") && by == ByNamespace:
			return cmp.Compare(a, b)
		case a == "" || b == "":
			return cmp.Compare(b, a)
		}
		if i, j := slices.Index(severities, a), slices.Index(severities, b); by == BySeverity && i >= 0 && j >= 0 {
			return cmp.Compare(i, j)
		}
		return natural(a, b)
	}
}

// natural compares names, and numbers in them as such.
func natural(a, b string) int {
	whole := cmp.Compare(a, b)
	for a != "" && b != "" {
		if i, j := digits(a), digits(b); i > 0 && j > 0 {
			m, n := strings.TrimLeft(a[:i], "0"), strings.TrimLeft(b[:j], "0")
			if c := cmp.Or(cmp.Compare(len(m), len(n)), cmp.Compare(m, n)); c != 0 {
				return c
			}
			a, b = a[i:], b[j:]
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Or(cmp.Compare(len(a), len(b)), whole)
}

// digits is how many a text begins with.
func digits(s string) int { return len(s) - len(strings.TrimLeft(s, "0123456789")) }
