package audit

import "slices"

// Pairs counts results as Counts does: one for an object and a policy, by the worst. Passes are not among results.
func Pairs(results []Result) (out Counts) {
	type pair struct {
		policy, group, kind, namespace, name, file string
		row                                        int
	}
	worst := map[pair]Outcome{}
	for _, r := range results {
		o := r.Object
		key := pair{r.Policy, o.Group, o.Kind, o.Namespace, o.Name, o.File, o.Row}
		if before, there := worst[key]; !there || rank(r.Outcome) < rank(before) {
			worst[key] = r.Outcome
		}
	}
	for _, outcome := range worst {
		out.Add(outcome)
	}
	return out
}

// rank orders outcomes, the worst first.
func rank(o Outcome) int {
	if at := slices.Index([]Outcome{Fail, Fault, Warn, Skip, Pass}, o); at >= 0 {
		return at
	}
	return 1 // as a Fault
}

// Only is the part of a report that is made of the results for which keep holds, with the policies and counts of these: what passed, and what was listed,
// is known of the whole alone. why says in one sentence what the part is, and stands where its coverage would.
func (r Report) Only(keep func(Result) bool, why string) Report {
	out := Report{Cluster: r.Cluster, At: r.At, Revision: r.Revision, Policies: []Policy{}, Counts: map[string]Counts{}, Namespaces: map[string]Counts{}}
	out.Coverage = []Coverage{{Resource: "*", Trouble: why}}
	byPolicy, byNamespace := map[string][]Result{}, map[string][]Result{}
	for _, result := range r.Results {
		if keep(result) {
			out.Results = append(out.Results, result)
			byPolicy[result.Policy] = append(byPolicy[result.Policy], result)
			byNamespace[result.Object.Namespace] = append(byNamespace[result.Object.Namespace], result)
		}
	}
	for policy, results := range byPolicy {
		out.Counts[policy] = Pairs(results)
	}
	for namespace, results := range byNamespace {
		out.Namespaces[namespace] = Pairs(results)
	}
	for _, policy := range r.Policies {
		if _, there := byPolicy[policy.ID]; there {
			out.Policies = append(out.Policies, policy)
		}
	}
	return out
}
