package plan_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/test/cases"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/portcullis-dev/portcullis/policies/language"
	"github.com/portcullis-dev/portcullis/policies/plan"
)

func TestMain(m *testing.M) {
	language.Register()
	os.Exit(m.Run())
}

// TestConformance has plans answer the cases by which OPA holds its own evaluations together. Where there is a plan and it has an answer,
// it has to be that of OPA's evaluation.
func TestConformance(t *testing.T) {
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/open-policy-agent/opa").Output()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, version := range []string{"v0", "v1"} {
		set, err := cases.Load(filepath.Join(strings.TrimSpace(string(dir)), "v1", "test", "cases", "testdata", version))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range set.Cases {
			regoVersion := ast.RegoV0
			if version == "v1" {
				regoVersion = ast.RegoV1
			}
			counts[conforms(t, version+" "+c.Note, c, regoVersion)]++
		}
	}
	t.Log(counts)
	if counts["same"] < 3900 {
		t.Errorf("only %d cases were answered", counts["same"])
	}
}

func conforms(t *testing.T, name string, c cases.TestCase, version ast.RegoVersion) string {
	if len(c.Modules) == 0 || len(c.Env) > 0 {
		return "not about rules"
	}
	if strings.HasPrefix(c.Note, "data/") && strings.HasSuffix(c.Note, " integer") {
		return "about data whose numbered members a store knows by text, which policies that are planned do not have"
	}
	name0, _, _ := strings.Cut(strings.TrimSpace(c.Query), " ")
	ref, err := ast.ParseRef(name0)
	if err != nil || !ref.IsGround() || !ref.HasPrefix(ast.DefaultRootRef) || len(ref) < 2 {
		return "another query"
	}
	modules := map[string]*ast.Module{}
	for i, text := range c.Modules {
		module, err := ast.ParseModuleWithOpts(fmt.Sprint(i), text, ast.ParserOptions{RegoVersion: version, ProcessAnnotation: true})
		if err != nil {
			return "not compiled"
		}
		modules[fmt.Sprint(i)] = module
	}
	compiler := ast.NewCompiler().WithDefaultRegoVersion(version)
	if compiler.Compile(modules); compiler.Failed() {
		return "not compiled"
	}
	if len(compiler.GetRulesExact(ref)) == 0 {
		return "not a rule"
	}
	made, err := plan.Of(t.Context(), compiler, plan.Rule{Ref: ref})
	if err != nil {
		return "no plan: " + kind(err)
	}
	var input *ast.Term
	opts := []func(*rego.Rego){rego.Compiler(compiler), rego.ParsedQuery(ast.NewBody(ast.Equality.Expr(ast.VarTerm("x"), ast.NewTerm(ref))))}
	switch {
	case c.InputTerm != nil:
		input = ast.MustParseTerm(*c.InputTerm)
	case c.Input != nil:
		input = ast.NewTerm(ast.MustInterfaceToValue(*c.Input))
	}
	if input != nil {
		opts = append(opts, rego.ParsedInput(input.Value))
	}
	data := ast.ObjectTerm()
	if c.Data != nil {
		data = ast.NewTerm(ast.MustInterfaceToValue(*c.Data))
		opts = append(opts, rego.Store(inmem.NewFromObject(*c.Data)))
	}
	got, planErr := made.Value(t.Context(), new(plan.Memory), input, data, topdown.NewCancel())
	results, err := rego.New(opts...).Eval(t.Context())
	switch {
	case planErr != nil && err != nil:
		return "both fail"
	case planErr != nil:
		return "no answer: " + planErr.Error()
	case err != nil:
		t.Errorf("%s: the plan says %v, OPA %v", name, got, err)
		return "different"
	}
	var want ast.Value
	if len(results) > 0 {
		want = ast.MustInterfaceToValue(results[0].Bindings["x"])
	}
	if got != nil {
		// Results are JSON, in which sets are arrays.
		decoded, err := ast.JSON(got)
		if err != nil {
			t.Fatal(err)
		}
		got = ast.MustInterfaceToValue(decoded)
	}
	if (got == nil) != (want == nil) || got != nil && got.Compare(want) != 0 {
		t.Errorf("%s (%s)\nthe plan says %v\nOPA says     %v", name, c.Filename, got, want)
		return "different"
	}
	return "same"
}

func kind(err error) string {
	text := err.Error()
	if _, after, found := strings.Cut(text, ": "); found && strings.HasPrefix(text, "g") {
		text = after
	}
	return text[:min(len(text), 50)]
}
