package policies

import (
	"context"
	"sync/atomic"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/portcullis-dev/portcullis/policies/plan"
)

// plan returns the plan of a rule, or nil. What there is a plan for is asked by it first, and by OPA's evaluation only if there is something
// to say: nearly always there is not, and a plan finds that out in a third of the time. So what is said, findings and faults alike, is
// always OPA's word, and that of a rule which reads what no plan is given, objects of the cluster and of Providers, is altogether. A plan
// also shows whether the rule ignores managed fields.
func (c *code) plan(ctx context.Context, spec Spec, rule Rule) (made *plan.Plan, ignores bool) {
	made, err := plan.Of(ctx, c.compiler, plan.Rule{
		Ref: spec.Package.Append(ast.StringTerm(rule.Name)), Strict: spec.strict(rule.Name), Shared: spec.Shared,
		Unread: spec.managedFields(), Empty: spec.notGiven(),
	})
	if err != nil {
		return nil, false // as for some kinds of rules; they are asked the other way
	}
	if len(c.synced) > 0 || c.calls != nil || c.needs != nil {
		return nil, made.Ignores()
	}
	return made, made.Ignores()
}

// strict reports whether a builtin function that fails on the way to a rule's value may be a fault of the policy.
func (s Spec) strict(rule string) bool { return !s.Lenient || gives(rule) }

// silent reports whether the rule certainly says nothing.
func (a asked) silent(ctx context.Context, memory *plan.Memory, input *ast.Term, cancel topdown.Cancel) bool {
	if a.query.plan == nil || !a.query.trouble.mayTry() {
		return false
	}
	value, err := a.query.plan.Value(ctx, memory, input, ast.InternedEmptyObject, cancel)
	if err != nil {
		if !cancel.Cancelled() { // that would be no fault of the plan's
			a.query.trouble.failed()
		}
		return false
	}
	a.query.trouble.over()
	switch v := value.(type) {
	case nil:
		return true
	case ast.Set:
		return v.Len() == 0 && !gives(a.query.rule)
	case ast.Object:
		return v.Len() == 0 && a.query.rule == ViolationRule // which alone may be one
	}
	return false
}

const (
	// failuresInARow is after how many of them a plan is not worth its time.
	failuresInARow = 5
	// passedOver is how many times the rule is then asked without its plan, before that may show whether it has come to answer.
	passedOver = 1000
)

// trouble is what a plan has of its failures: their number in a row or, below zero, how many times it is still passed over. A count that is lost
// when two ask at once does no harm. The zero value is a plan that has not failed. It is safe for concurrent use.
type trouble struct{ count atomic.Int32 }

// mayTry reports whether the plan is worth to be tried now.
func (t *trouble) mayTry() bool {
	if t.count.Load() >= 0 {
		return true
	}
	t.count.Add(1)
	return false
}

func (t *trouble) failed() {
	if t.count.Add(1) >= failuresInARow {
		t.count.Store(-passedOver)
	}
}

func (t *trouble) over() {
	if t.count.Load() > 0 { // whoever has no trouble writes nothing that others read
		t.count.Store(0)
	}
}
