package mutators

import (
	"cmp"
	"maps"
	"slices"

	"github.com/portcullis-dev/portcullis/review"
)

// aside are the policies whose edits are not made, with the fault that is told of each instead.
type aside map[string]review.Finding

// without returns the edits of all other policies.
func (a aside) without(edits []review.Edit) []review.Edit {
	if len(a) == 0 {
		return edits
	}
	return slices.DeleteFunc(slices.Clone(edits), func(e review.Edit) bool {
		_, is := a[e.Policy]
		return is
	})
}

// and returns a with the policies of faults as well.
func (a aside) and(faults ...review.Finding) aside {
	out := aside{}
	maps.Copy(out, a)
	for _, f := range faults {
		out[f.Policy] = f
	}
	return out
}

// faults returns what is told of them, by policy.
func (a aside) faults() []review.Finding {
	return slices.SortedFunc(maps.Values(a), func(a, b review.Finding) int { return cmp.Compare(a.Policy, b.Policy) })
}
