package source

import (
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/spelling"
)

// Meant returns which policies of a Set are most likely meant by a name that none of them has: one that differs in a dash or a slip, else the
// Policies that use the package of that name, as images.allowed-registries uses images.allowed_registries. A nil Set has none.
func Meant(set *policies.Set, name string) (out []string) {
	if set == nil {
		return nil
	}
	dashed := func(name string) string { return strings.ReplaceAll(name, "_", "-") }
	known := map[string]string{} // by dashed name
	for _, policy := range set.Policies() {
		spec := policy.Spec()
		known[dashed(spec.ID)] = spec.ID
		if strings.HasSuffix("."+spec.Package.String(), "."+name) {
			out = append(out, spec.ID)
		}
	}
	var names []string
	for name := range known {
		names = append(names, name)
	}
	slices.Sort(names)
	if id, ok := known[dashed(name)]; ok {
		return []string{id}
	}
	if near := spelling.Nearest(dashed(name), names...); len(name) > 3 && near != "" && len(out) == 0 {
		out = []string{known[near]}
	}
	const most = 3
	return out[:min(len(out), most)]
}
