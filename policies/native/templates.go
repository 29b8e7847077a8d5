package native

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-dev/portcullis/policies"
)

// readsParameters reports whether a module reads input.parameters, but for those of which all policies that share it have none.
func readsParameters(m *ast.Module) bool {
	parameters := ast.MustParseRef("input.parameters")
	templates := ast.MustParseRef("input.parameters." + policies.PodTemplates)
	found := policies.Reads(m, ast.InputRootDocument, "") // all of input
	ast.WalkRefs(m, func(ref ast.Ref) bool {
		found = found || ref.HasPrefix(parameters) && !ref.HasPrefix(templates)
		return found
	})
	return found
}

// declaresTemplates reports whether parameters say of a custom resource where its Pod template is: then the helper packages see
// another Pod in it than they do for other policies.
func declaresTemplates(parameters ast.Value) bool {
	declared, ok := templatesIn(parameters)
	return !ok || len(declared) > 0
}

// templatesIn returns where custom resources have their Pod template, by resource and group, as parameters declare it; false if they
// declare it in another way than the helper packages read.
func templatesIn(parameters ast.Value) (map[string]string, bool) {
	given, ok := parameters.(ast.Object)
	if !ok {
		return nil, true
	}
	templates := given.Get(ast.InternedTerm(policies.PodTemplates))
	if templates == nil {
		return nil, true
	}
	of, ok := templates.Value.(ast.Object)
	if !ok {
		return nil, false
	}
	out := map[string]string{}
	of.Foreach(func(resource, path *ast.Term) {
		name, _ := resource.Value.(ast.String)
		at, _ := path.Value.(ast.String)
		out[string(name)] = string(at)
	})
	return out, true
}

// unseenTemplates returns, for each custom resource whose Pod template is declared and that the policy is not asked about, an error that
// says so. It is no fault, for who gives many policies the same parameters may ask some of them about less, but whoever has forgotten it
// should know.
func unseenTemplates(spec policies.Spec) (out []error) {
	declared, _ := templatesIn(spec.Parameters)
	for _, name := range slices.Sorted(maps.Keys(declared)) {
		plural, group, _ := strings.Cut(name, ".")
		asked := len(spec.Match.Resources) == 0 || slices.ContainsFunc(spec.Match.Resources, func(r policies.Resource) bool {
			return r.Any || r.Subresource == "" && r.Group == group && (r.Resource == "" || r.Resource == plural)
		})
		if !asked {
			err := fmt.Errorf("parameters.podTemplates: the policy is not asked about %s, and no Pod of one is judged; add %s to match.resources", name, name)
			out = append(out, under(err, "parameters", podTemplates, name))
		}
	}
	return out
}
