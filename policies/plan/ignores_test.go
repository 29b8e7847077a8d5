package plan_test

import (
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-dev/portcullis/policies/plan"
)

// Each rule reads input.o.m.secret, or what is around it, in one way; those of the second table do not.
func TestIgnores(t *testing.T) {
	for _, test := range []struct {
		want  bool
		rules string
	}{
		{false, `p contains 1 if input.o.m.secret`},
		{false, `p contains 1 if input.o[input.name]`},
		{false, `p contains 1 if input.o.m[_] == 1`},
		{false, `p contains 1 if some _ in input.o.m`},
		{false, `p contains 1 if every _ in input.o.m { true }`},
		{false, `p contains x if x := input.o.m`},
		{false, `p contains x if x := input.o`},
		{false, `p contains x if x := [y | y := input.o.m][_].name`},
		{false, `p contains 1 if { x := [input.o.m]; x[0].name }`},
		{false, `p contains 1 if { x := {"a": input.o.m}; x.a.name }`},
		{false, `p contains 1 if { x := {"a": y | y := input.o.m}; x.a.name }`},
		{false, `p contains 1 if { x := {y | y := input.o.m}; count(x) }`},
		{false, `p[x] := 1 if x := input.o.m`},
		{false, `p contains 1 if input.o.m == input.old`},
		{false, `p contains 1 if input.o.m != input.old`},
		{false, `p contains 1 if input.old == input.o`},
		{false, `p contains 1 if {"a": 1} == input.o.m`},
		{false, `p contains 1 if {"a": _} = input.o.m`},
		{false, `p contains 1 if {input.o.m} == input.old`},
		{false, `p contains 1 if input.seen[input.o.m]`},
		{false, `p contains 1 if count(input.o.m) == 3`},
		{false, `p contains 1 if json.marshal(input.o) != ""`},
		{false, `p contains 1 if walk(input.o, [_, 1])`},
		{false, `p contains 1 if object.get(input.o.m, "secret", 1) == 2`},
		{false, `p contains 1 if object.get(input.o, ["m", "secret"], 1) == 2`},
		{false, `p contains 1 if object.get(input.a, "b", input.o.m).secret`},
		{false, `p contains 1 if object.get(input.a, input.o.m, 1)`},
		{false, "p contains 1 if f(input.o.m)\nf(x) if x.secret"},
		{false, "p contains 1 if f(input.o).secret\nf(x) := x.m"},
		{false, "p contains 1 if q.secret\nq := input.o.m"},
		{false, "p contains 1 if q.secret\nq := input.o.m if input.a\nelse := input.o.n"},
		{false, "p contains 1 if q.name\nq := input.o.m\nq := input.old if input.a"},
		{false, "p contains 1 if q.name\nq := x if { some _ in input.a; x := input.o.m }"},
		{false, `p := input.o.m`},
		{false, "p contains 1 if input.q.secret with input.q as input.o.m"},
		{false, "p contains 1 if input.q == 1 with input.o.q as input.o.m"},
		{false, "p contains 1 if q with input.params.paths as [1]\nq if { some _ in input.params.paths; input.o.m.secret }"},
		{false, "p contains 1 if { some x in [\"r\"]; data.a.q[x] }\nq.r := input.o.m.secret\nq.s := 1"},
		{false, `p contains 1 if not input.o.m.secret`},
		{true, `p contains 1 if input`},
		{true, `p contains 1 if input.o.m.name`},
		{true, `p contains 1 if input.o.m.labels[_] == 1`},
		{true, `p contains x if x := input.o.spec`},
		{true, `p contains 1 if { input.o != null; is_object(input.o.m) }`},
		{true, `p contains 1 if object.get(input.o.m, "name", "") != ""`},
		{true, "p contains x if x := q.name\nq := input.o.m if input.a\nelse := input.o.n"},
		{true, "p contains 1 if f(input.o.m)\nf(x) if x.name == \"a\""},
		{true, "p contains 1 if { some _ in input.params.paths; input.o.m.secret }"},
		{true, "p contains 1 if walk(input.o, [split(q, \".\"), 1])\nq := x if some x in input.params.paths"},
		{true, `p contains 1 if { x := input.o.m.secrets; x }`},
	} {
		made, err := plan.Of(t.Context(), compiled(t, test.rules), plan.Rule{
			Ref: ast.MustParseRef("data.a.p"), Unread: [][]string{{"o", "m", "secret"}}, Empty: [][]string{{"params", "paths"}},
		})
		if err != nil {
			t.Errorf("%s: %v", test.rules, err)
			continue
		}
		if got := made.Ignores(); got != test.want {
			t.Errorf("%s: that it ignores what may be unread is %t", test.rules, got)
		}
	}
}
