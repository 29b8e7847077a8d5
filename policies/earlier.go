package policies

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// earlier adds the versions that Bundles bring of policies that are faulty and of which this server has no good one: it was started after
// they became so. They are compiled and judged by the Gate as any.
func (l *Loader) earlier(ctx context.Context, offered []Spec, compiled []*Policy, faults Faults) (all []*Policy, taken []string, more Faults) {
	have := map[string]bool{}
	for _, policy := range compiled {
		have[policy.spec.ID] = true
	}
	var wanted []Spec
	for _, spec := range offered {
		concerned := slices.ContainsFunc(faults, func(f Fault) bool { return f.Concerns(spec) })
		if concerned && !have[spec.ID] {
			have[spec.ID] = true
			wanted = append(wanted, spec)
		}
	}
	found, failed := l.compileChanged(ctx, wanted, nil)
	for _, policy := range found {
		taken = append(taken, policy.spec.ID)
	}
	for _, fault := range failed {
		fault.Err = fmt.Errorf("the version before, which was kept, is faulty, too: %w", fault.Err)
		more = append(more, fault)
	}
	all = append(compiled, found...)
	slices.SortFunc(all, func(a, b *Policy) int { return cmp.Compare(a.spec.ID, b.spec.ID) })
	return all, taken, more
}
