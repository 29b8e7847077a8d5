package language_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/portcullis-dev/portcullis/policies/language"
)

func TestMain(m *testing.M) {
	language.Register()
	language.Register() // twice, as two tests of one process may
	m.Run()
}

func compile(t *testing.T, version ast.RegoVersion, source string) error {
	t.Helper()
	module, err := ast.ParseModuleWithOpts("policy.rego", source, ast.ParserOptions{
		RegoVersion: version, Capabilities: language.Capabilities(), ProcessAnnotation: true,
	})
	if err != nil {
		return err
	}
	compiler := ast.NewCompiler().WithCapabilities(language.Capabilities()).WithUseTypeCheckAnnotations(true)
	compiler.Compile(map[string]*ast.Module{"policy.rego": module})
	if compiler.Failed() {
		return language.Explain(compiler.Errors)
	}
	return nil
}

func TestCapabilitiesOfBothRegos(t *testing.T) {
	sources := map[string]struct {
		version ast.RegoVersion
		source  string
	}{
		"v1": {ast.RegoV1, `package p
deny contains m if { some m in input.xs; m in {"a"}; every c in input.cs { c > 1 } }`},
		"v1 with the import of the transition": {ast.RegoV1, "package p\nimport rego.v1\ndeny contains m if some m in input.xs"},
		"v1 template strings":                  {ast.RegoV1, "package p\ndeny contains $\"{m}!\" if some m in input.xs"},
		"v0":                                   {ast.RegoV0, "package p\ndeny[m] { m := input.xs[_]; re_match(`a`, m); any([true]) }"},
		"v0 with the keywords of v1":           {ast.RegoV0, "package p\nimport future.keywords\ndeny contains m if { some m in input.xs }"},
		"v0 with import rego.v1":               {ast.RegoV0, "package p\nimport rego.v1\ndeny contains m if { some m in input.xs }"},
		"v0 with a reference in the head":      {ast.RegoV0, "package p\na.b.c[m] { m := input.xs[_] }"},
	}
	for name, test := range sources {
		t.Run(name, func(t *testing.T) {
			if err := compile(t, test.version, test.source); err != nil {
				t.Error(err)
			}
		})
	}
}

// A nil list would allow every host.
func TestCapabilitiesAllowNoHost(t *testing.T) {
	if hosts := language.Capabilities().AllowNet; hosts == nil || len(hosts) != 0 {
		t.Errorf("hosts that may be reached: %#v, want an empty list that is not nil", hosts)
	}
}

func TestCapabilitiesAreSorted(t *testing.T) {
	// OPA looks builtins up by binary search when it adds its own.
	if !slices.IsSortedFunc(language.Capabilities().Builtins, func(a, b *ast.Builtin) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("the functions are not sorted by name")
	}
}

func TestExplain(t *testing.T) {
	tests := []struct{ name, source, want string }{
		{
			"a forbidden function",
			"package p\n\ndeny contains \"x\" if http.send({}).status_code == 200",
			"policy.rego:3: rego_type_error: http.send is not available to policies: a policy reaches nothing outside the server",
		},
		{
			"a forbidden function, its result taken",
			"package p\nx := opa.runtime()",
			"policy.rego:2: rego_type_error: opa.runtime is not available to policies: a policy does not read the server's environment and configuration",
		},
		{
			"a function that does not exist stays OPA's error",
			"package p\nx := no.such(1)",
			"policy.rego:2: rego_type_error: undefined function no.such",
		},
		{
			"a variable that hides a function",
			"package p\nx contains image.parse(image) if some image in input.images",
			"policy.rego:2: rego_type_error: image.parse cannot be called here, because image is a name of this policy as well: give that another name",
		},
		{
			"a variable in a body that hides a function",
			"package p\nx contains y if {\n\tsome image in input.images\n\ty := image.parse(image)\n}",
			"policy.rego:4: rego_compile_error: image.parse cannot be called here, because image is a name of this policy as well",
		},
		{
			"a type error inside an added function stays OPA's error",
			"package p\nx := image.parse(\"nginx\").name",
			"policy.rego:2: rego_type_error: undefined ref",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := compile(t, ast.RegoV1, test.source)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

func TestExplainLeavesOtherErrorsAlone(t *testing.T) {
	if language.Explain(nil) != nil {
		t.Error("an error out of nothing")
	}
	other := errors.New("disk full")
	if got := language.Explain(other); !errors.Is(got, other) {
		t.Errorf("got %v", got)
	}
	one := language.Explain(ast.NewError(ast.TypeErr, nil, "undefined function %s", "http.send"))
	if !strings.Contains(one.Error(), "http.send is not available to policies") {
		t.Errorf("a single error of the compiler: %v", one)
	}
}
