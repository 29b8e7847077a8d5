package native

import (
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
	given, ok := parameters.(ast.Object)
	if !ok {
		return false
	}
	templates := given.Get(ast.InternedTerm(policies.PodTemplates))
	if templates == nil {
		return false
	}
	of, ok := templates.Value.(ast.Object)
	return !ok || of.Len() > 0
}
