package policies

import (
	"context"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/portcullis-dev/portcullis/policies/plan"
)

// plan returns the plan of a rule, or nil. What there is a plan for is asked by it first, and by OPA's evaluation only if there is something
// to say: nearly always there is not, and a plan finds that out in a third of the time. So what is said, findings and faults alike, is
// always OPA's word, and that of a rule which reads what no plan is given, objects of the cluster and of Providers, is altogether.
func (c *code) plan(ctx context.Context, spec Spec, rule Rule) *plan.Plan {
	if spec.Convention != Gatekeeper || c.readsInventory || c.calls != nil {
		return nil
	}
	made, err := plan.Of(ctx, c.compiler, spec.Package.Append(ast.StringTerm(rule.Name)))
	if err != nil {
		return nil // as for some kinds of rules; they are asked the other way
	}
	return made
}

// silent reports whether the rule certainly says nothing.
func (a asked) silent(ctx context.Context, input *ast.Term, cancel topdown.Cancel) bool {
	if a.query.plan == nil {
		return false
	}
	value, err := a.query.plan.Value(ctx, input, ast.InternedEmptyObject, cancel)
	if err != nil {
		return false
	}
	switch v := value.(type) {
	case nil:
		return true
	case ast.Set:
		return v.Len() == 0
	case ast.Object:
		return v.Len() == 0
	}
	return false
}
