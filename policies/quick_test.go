package policies

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/portcullis-dev/portcullis/policies/plan"
	"github.com/portcullis-dev/portcullis/review"
)

// A plan that always fails is passed over, and tried again later; one answer in between begins the count anew.
func TestPlanThatFails(t *testing.T) {
	compiler := ast.NewCompiler()
	compiler.Compile(map[string]*ast.Module{"a": ast.MustParseModule("package a\np contains x if x := f(input.n)\nf(1) := 1\nf(x) := 2")})
	made, err := plan.Of(t.Context(), compiler, plan.Rule{Ref: ast.MustParseRef("data.a.p")})
	if err != nil {
		t.Fatal(err)
	}
	rule := asked{query: &query{plan: made}}
	ask := func(times int, input string) (tried int) {
		for range times {
			if rule.query.trouble.count.Load() >= 0 {
				tried++
			}
			rule.silent(t.Context(), new(plan.Memory), ast.MustParseTerm(input), topdown.NewCancel())
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
	made, err := plan.Of(t.Context(), compiler, plan.Rule{Ref: ast.MustParseRef("data.a.p")})
	if err != nil {
		t.Fatal(err)
	}
	rule, cancel := asked{query: &query{plan: made}}, topdown.NewCancel()
	cancel.Cancel()
	for range failuresInARow {
		if rule.silent(t.Context(), new(plan.Memory), ast.MustParseTerm("[]"), cancel) {
			t.Error("the plan says that there is nothing")
		}
	}
	if !rule.query.trouble.mayTry() {
		t.Error("the plan is passed over")
	}
}

// Whatever befalls a plan, OPA is asked, and what it finds is found. The plan takes a function that fails it; OPA then finds the one it knows.
func TestPlanThatComesToNothing(t *testing.T) {
	sound := topdown.GetBuiltin("upper")
	for name, broken := range map[string]topdown.BuiltinFunc{
		"a panic": func(topdown.BuiltinContext, []*ast.Term, func(*ast.Term) error) error { panic("no") },
		"a panic of the runtime": func(_ topdown.BuiltinContext, terms []*ast.Term, _ func(*ast.Term) error) error {
			_ = terms[len(terms)]
			return nil
		},
		"an end": func(topdown.BuiltinContext, []*ast.Term, func(*ast.Term) error) error {
			return topdown.Halt{Err: errors.New("no more memory")}
		},
		"a deadline": func(topdown.BuiltinContext, []*ast.Term, func(*ast.Term) error) error {
			return topdown.Halt{Err: context.DeadlineExceeded}
		},
	} {
		t.Run(name, func(t *testing.T) {
			topdown.RegisterBuiltinFunc("upper", broken) // which a plan keeps, and OPA looks up each time
			set := compiled(t, violationOf(t, "a", "package a\nviolation[{\"msg\": msg}] { msg := upper(input.review.object.metadata.name) }"))
			topdown.RegisterBuiltinFunc("upper", sound)
			if set.policies[0].queries[0].plan == nil {
				t.Fatal("there is no plan")
			}
			for range 2 * failuresInARow {
				if got, want := verdict(t, set, podCreate(t, pod)), "deny [a (deny): WEB]"; got != want {
					t.Fatalf("got  %s\nwant %s", got, want)
				}
			}
			if set.policies[0].queries[0].plan == nil || set.policies[0].queries[0].trouble.mayTry() {
				t.Error("the plan has not failed")
			}
		})
	}
}

// A plan that takes too many steps is no answer: OPA, which looks the element up, finds it.
func TestPlanThatTakesTooLong(t *testing.T) {
	set := compiled(t, violationOf(t, "a", `package a
		violation[{"msg": "found"}] { n := numbers.range(1, 400); x := n[_]; y := n[_]; x + y == 800 }`))
	made := set.policies[0].queries[0].plan
	if _, err := made.Value(t.Context(), new(plan.Memory), ast.ObjectTerm(), ast.ObjectTerm(), nil); err == nil {
		t.Fatal("the plan has an answer")
	}
	if got, want := verdict(t, set, podCreate(t, pod)), "deny [a (deny): found]"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// A rule that runs out of time is a fault, whether its plan was at work or OPA.
func TestPlanThatIsLate(t *testing.T) {
	waits := func(bctx topdown.BuiltinContext, _ []*ast.Term, iter func(*ast.Term) error) error {
		for !bctx.Cancel.Cancelled() {
			runtime.Gosched()
		}
		return iter(ast.StringTerm("late"))
	}
	sound := topdown.GetBuiltin("upper")
	topdown.RegisterBuiltinFunc("upper", waits)
	set := compiled(t, violationOf(t, "a", "package a\nviolation[{\"msg\": msg}] { msg := upper(input.review.object.metadata.name); some_of(msg) }\nsome_of(m) { m == \"WEB\" }"))
	topdown.RegisterBuiltinFunc("upper", sound)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	d, err := set.Review(ctx, podCreate(t, pod))
	if err != nil || d.Verdict != review.Deny || len(d.Findings) != 1 || !d.Findings[0].Fault {
		t.Errorf("%v, %+v", err, d)
	}
}

// OPA works a comprehension like this out for all names at once, and so meets the failure at one that nobody asks for. The plan would not.
func TestNoPlanWhereOPAWorksOutMore(t *testing.T) {
	set := compiled(t, specOf(t, "a", `package a
deny contains c.name if {
			some c in input.request.object.spec.containers
			name := c.name
			same := [lower(other.image) | some other in input.request.object.spec.initContainers; other.name == name]
			count(same) > 0
		}`))
	if set.policies[0].queries[0].plan != nil {
		t.Error("there is a plan")
	}
	d, err := set.Review(t.Context(), podCreate(t, `{"kind": "Pod", "spec": {"containers": [{"name": "app"}], "initContainers": [{"name": "other", "image": 7}]}}`))
	if err != nil || d.Verdict != review.Deny || len(d.Findings) != 1 || !d.Findings[0].Fault {
		t.Errorf("%v, %+v", err, d)
	}
}
