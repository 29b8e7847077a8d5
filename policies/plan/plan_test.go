package plan_test

import (
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/portcullis-dev/portcullis/policies/plan"
)

func compiled(t *testing.T, text string) *ast.Compiler {
	t.Helper()
	compiler := ast.NewCompiler().WithDefaultRegoVersion(ast.RegoV1)
	if compiler.Compile(map[string]*ast.Module{"a": ast.MustParseModuleWithOpts("package a\n"+text, ast.ParserOptions{RegoVersion: ast.RegoV1})}); compiler.Failed() {
		t.Fatal(compiler.Errors)
	}
	return compiler
}

func TestValue(t *testing.T) {
	for name, test := range map[string]struct{ rules, want, err string }{
		"a set":                        {rules: `p contains x if { some x in input.numbers; x > 1 }`, want: `{2, 3}`},
		"nothing":                      {rules: `p contains x if { some x in input.numbers; x > 3 }`, want: `set()`},
		"undefined":                    {rules: `p := 1 if input.none`},
		"a function that fails":        {rules: `p contains x if { some x in input.words; to_number(x) }`, want: `{"7"}`},
		"two values":                   {rules: `p := x if some x in input.numbers`, err: "a rule has two values"},
		"two values of a function":     {rules: "p contains f(1)\nf(x) := 1\nf(x) := 2", err: "a rule has two values"},
		"two values of a member":       {rules: `p[x] := y if { x := 1; some y in input.numbers }`, err: "a rule has two values"},
		"another input":                {rules: "p contains x if { q == 3; x := q with input.numbers as [1] }\nq := count(input.numbers)", want: `{1}`},
		"an input that cannot be":      {rules: "p contains x if x := q with input.numbers.a as 1\nq := input.numbers.a", err: "a value is not what it should be"},
		"what is always the same":      {rules: `p contains x if x := [[1, "a"], {"b": {2, null}}, set(), {1, count(input.numbers)}]`, want: `{[[1, "a"], {"b": {2, null}}, set(), {1, 3}]}`},
		"what changes as it is made":   {rules: `p contains x if x := [{1, 2} | {n | some n in input.numbers} == {1, 2, 3}]`, want: `{[{1, 2}]}`},
		"sets in one place":            {rules: "p contains x if x := {1, 2}\np contains x if x := {3, input.numbers[0]}\np contains {4, 5}", want: `{{1, 2}, {1, 3}, {4, 5}}`},
		"more than can be passed over": {rules: `p := count([1 | some a in numbers.range(1, 400); some b in numbers.range(1, 400); a == b])`, err: "it takes too many steps"},
	} {
		t.Run(name, func(t *testing.T) {
			made, err := plan.Of(t.Context(), compiled(t, test.rules), plan.Rule{Ref: ast.MustParseRef("data.a.p")})
			if err != nil {
				t.Fatal(err)
			}
			input := ast.MustParseTerm(`{"numbers": [1, 2, 3], "words": ["a", "7"]}`)
			for range 2 { // the second time with the memory of the first
				value, err := made.Value(t.Context(), new(plan.Memory), input, ast.ObjectTerm(), topdown.NewCancel())
				switch {
				case err != nil || test.err != "":
					if err == nil || err.Error() != test.err {
						t.Errorf("the value is %v, the error %v; it should be %q", value, err, test.err)
					}
				case value == nil || test.want == "":
					if value != nil || test.want != "" {
						t.Errorf("the value is %v and not %s", value, test.want)
					}
				case value.Compare(ast.MustParseTerm(test.want).Value) != 0:
					t.Errorf("the value is %v and not %s", value, test.want)
				}
			}
		})
	}
}

// Where a failure may be a fault there is no answer, wherever it happens.
func TestStrict(t *testing.T) {
	for name, test := range map[string]struct{ rules, want string }{
		"no failure":            {rules: `p contains x if { some x in input.words; upper(x) == x }`, want: "set()"},
		"a failure":             {rules: `p contains x if { some x in input.words; to_number(x) }`},
		"one under a not":       {rules: `p contains "a" if not to_number(input.words[0])`},
		"one of a function":     {rules: "p contains \"a\" if not f(input.words[0])\nf(x) if to_number(x)"},
		"one of a relation":     {rules: `p contains "a" if not walk(to_number(input.words[0]), [[], 1])`},
		"one that is looked up": {rules: "p contains x if { some name in [\"q\"]; some x in data.a.c[name] }\nc.q contains to_number(x) if some x in input.words"},
	} {
		t.Run(name, func(t *testing.T) {
			made, err := plan.Of(t.Context(), compiled(t, test.rules), plan.Rule{Ref: ast.MustParseRef("data.a.p"), Strict: true})
			if err != nil {
				t.Fatal(err)
			}
			value, err := made.Value(t.Context(), new(plan.Memory), ast.MustParseTerm(`{"words": ["a"]}`), ast.ObjectTerm(), topdown.NewCancel())
			if test.want == "" && err == nil || test.want != "" && (err != nil || value.String() != test.want) {
				t.Errorf("the value is %v, the error %v", value, err)
			}
		})
	}
}

// What one evaluation found is not worked out by the next, unless it is asked what would be there with another input.
func TestMemory(t *testing.T) {
	compiler := compiled(t, "p contains q\nq := input.n\nr contains x if x := q with input.n as 3")
	shared := []ast.Ref{ast.MustParseRef("data.a")}
	memory := new(plan.Memory)
	for _, step := range []struct{ rule, input, want string }{
		{"r", `{"n": 1}`, "{3}"},
		{"p", `{"n": 1}`, "{1}"},
		{"p", `{"n": 2}`, "{1}"}, // which is not the same review, to tell whether it is remembered
		{"r", `{"n": 2}`, "{3}"},
	} {
		made, err := plan.Of(t.Context(), compiler, plan.Rule{Ref: ast.MustParseRef("data.a." + step.rule), Strict: true, Shared: shared})
		if err != nil {
			t.Fatal(err)
		}
		value, err := made.Value(t.Context(), memory, ast.MustParseTerm(step.input), ast.ObjectTerm(), topdown.NewCancel())
		if err != nil || value.String() != step.want {
			t.Errorf("%s of %s is %v, %v and not %s", step.rule, step.input, value, err, step.want)
		}
	}
}

func TestCancelled(t *testing.T) {
	made, err := plan.Of(t.Context(), compiled(t, `p contains x if some x in input`), plan.Rule{Ref: ast.MustParseRef("data.a.p")})
	if err != nil {
		t.Fatal(err)
	}
	cancel := topdown.NewCancel()
	cancel.Cancel()
	if _, err := made.Value(t.Context(), new(plan.Memory), ast.MustParseTerm(`[1]`), ast.ObjectTerm(), cancel); err == nil || err.Error() != "it was told to stop" {
		t.Errorf("the error is %v", err)
	}
}

func TestNoPlan(t *testing.T) {
	for rules, want := range map[string]string{
		"p := data.a.q\nq.r := 1": "a statement *ir.ObjectMergeStmt cannot be run",
		`q if input.a`:            "data.a.p is not planned by itself",
	} {
		if _, err := plan.Of(t.Context(), compiled(t, rules), plan.Rule{Ref: ast.MustParseRef("data.a.p")}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: the error is %v and should say %q", rules, err, want)
		}
	}
}
