// Package language says what the Rego of a policy may call: which of OPA's built-in functions, why the others are missing,
// and the few functions Portcullis adds.
package language

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Capabilities is what a policy may use: the language of this OPA version, the built-in functions judged harmless in the
// table of this package, and the functions Portcullis adds. A function nobody has judged is not in it.
//
// It suits modules of Rego v1 and of v0: the parser takes the keywords and features of each from the module's version.
func Capabilities() *ast.Capabilities {
	all := ast.CapabilitiesForThisVersion()
	all.Builtins = slices.DeleteFunc(all.Builtins, func(b *ast.Builtin) bool { return !allowed[b.Name] })
	for _, added := range additions {
		all.Builtins = append(all.Builtins, added.declaration())
	}
	slices.SortFunc(all.Builtins, func(a, b *ast.Builtin) int { return strings.Compare(a.Name, b.Name) })
	// Not nil: to OPA nil means that schemas may be fetched from any host, and empty that they may be from none.
	all.AllowNet = []string{}
	return all
}
