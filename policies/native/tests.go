package native

import (
	"regexp"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-dev/portcullis/policies"
)

// tests are files of Rego tests by their package, as they stand beside the policies: they are shown to people, and neither parsed nor run.
type tests map[string][]policies.SourceText

var packageClause = regexp.MustCompile(`(?m)^package[ \t]+([A-Za-z0-9_."\[\]-]+)`)

// add keeps a file if it is one of tests, and says whether it is.
func (t tests) add(file File) bool {
	if file.Format != ByName || !isTestFile(file.Name) {
		return false
	}
	if clause := packageClause.FindSubmatch(file.Text); clause != nil && len(file.Text) <= maxSource {
		name := "data." + string(clause[1])
		t[name] = append(slices.Clip(t[name]), policies.SourceText{File: file.Name, Text: file.Text})
	}
	return true
}

// of are the tests of a package: those in it, and those in the one that is called so with _test behind it.
func (t tests) of(pkg ast.Ref) []policies.SourceText {
	return slices.Concat(t[pkg.String()], t[pkg.String()+"_test"])
}

func isTestFile(name string) bool { return strings.HasSuffix(strings.ToLower(name), "_test.rego") }
