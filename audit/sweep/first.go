package sweep

import (
	"maps"
	"slices"

	"github.com/portcullis-dev/portcullis/audit"
)

// First returns, by policy, up to n results that are refusals or faults, the first by audit.Compare, and how many there are of which the text is kept.
// It needs memory for those that it returns, and not for all.
func (s *Sweep) First(n int, of func(policy string) bool) (first map[string][]audit.Result, all map[string]int) {
	s.mu.Lock()
	names := slices.Clone(s.names.name)
	kinds := slices.Collect(maps.Values(s.kinds))
	s.mu.Unlock()
	first, all = map[string][]audit.Result{}, map[string]int{}
	for _, k := range kinds {
		k.first(n, of, names, first, all)
	}
	return first, all
}

func (k *kind) first(n int, of func(string) bool, names []string, first map[string][]audit.Result, all map[string]int) {
	k.shelf.mu.Lock()
	defer k.shelf.mu.Unlock()
	for _, d := range k.shelf.details {
		about := k.about(d)
		for _, r := range d.results {
			id := names[r.policy]
			if r.outcome < rank(audit.Fail) || !of(id) {
				continue
			}
			all[id]++
			one := audit.Result{Policy: id, Object: about, Outcome: ranks()[r.outcome], Message: r.message.Value(), Field: r.field.Value()}
			list := first[id]
			at, _ := slices.BinarySearchFunc(list, one, audit.Compare)
			if at < n {
				list = slices.Insert(list, at, one)
				first[id] = list[:min(len(list), n)]
			}
		}
	}
}
