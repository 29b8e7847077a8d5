package policies

import (
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/portcullis-dev/portcullis/policies/plan"
)

// A plan that always fails is passed over, and tried again later; one answer in between begins the count anew.
func TestPlanThatFails(t *testing.T) {
	compiler := ast.NewCompiler()
	compiler.Compile(map[string]*ast.Module{"a": ast.MustParseModule("package a\np contains x if x := f(input.n)\nf(1) := 1\nf(x) := 2")})
	made, err := plan.Of(t.Context(), compiler, ast.MustParseRef("data.a.p"))
	if err != nil {
		t.Fatal(err)
	}
	rule := asked{query: &query{plan: made}}
	ask := func(times int, input string) (tried int) {
		for range times {
			if rule.query.trouble.count.Load() >= 0 {
				tried++
			}
			rule.silent(t.Context(), ast.MustParseTerm(input), topdown.NewCancel())
		}
		return tried
	}
	const fails, answers = `{"n": 1}`, `{}`
	if ask(failuresInARow-1, fails); ask(1, answers) != 1 {
		t.Error("the plan was passed over too early")
	}
	if got := ask(failuresInARow+passedOver, fails); got != failuresInARow {
		t.Errorf("the plan failed %d times, want %d", got, failuresInARow)
	}
	if got := ask(10, answers); got != 10 {
		t.Errorf("the plan was tried %d times of 10 after it had been passed over", got)
	}
}

// A plan that was told to stop has not failed.
func TestPlanThatIsStopped(t *testing.T) {
	compiler := ast.NewCompiler()
	compiler.Compile(map[string]*ast.Module{"a": ast.MustParseModule("package a\np contains x if some x in input")})
	made, err := plan.Of(t.Context(), compiler, ast.MustParseRef("data.a.p"))
	if err != nil {
		t.Fatal(err)
	}
	rule, cancel := asked{query: &query{plan: made}}, topdown.NewCancel()
	cancel.Cancel()
	for range failuresInARow {
		rule.silent(t.Context(), ast.MustParseTerm("[1]"), cancel)
	}
	if !rule.query.trouble.mayTry() {
		t.Error("the plan is passed over")
	}
}
