package policies

import (
	"context"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/portcullis-dev/portcullis/policies/inventory"
	"github.com/portcullis-dev/portcullis/policies/plan"
	"github.com/portcullis-dev/portcullis/review"
)

// withoutPlan is the policy without the quick way, as OPA's evaluation alone answers it.
func (p *Policy) withoutPlan() *Policy {
	bare := *p.code
	bare.queries = nil
	for _, q := range p.queries {
		bare.queries = append(bare.queries, &query{stage: q.stage, rule: q.rule, body: q.body, compiled: q.compiled, answer: q.answer})
	}
	return newPolicy(p.spec, &bare)
}

// WithoutPlans returns a Set of the same policies, with none of the options, all of whose rules are asked of OPA's evaluation alone.
func (s *Set) WithoutPlans() *Set {
	var bare []*Policy
	for _, p := range s.policies {
		bare = append(bare, p.withoutPlan())
	}
	return NewSet(bare)
}

// TryPlans has every plan tried again, however often it failed.
func (s *Set) TryPlans() {
	for _, p := range s.policies {
		for _, q := range p.queries {
			q.trouble.count.Store(0)
		}
	}
}

// Planned is a rule that there is a plan of, whether or not reviews are asked by it.
type Planned struct {
	Policy, Rule string
	set          *Set
	asked        asked
	plan         *plan.Plan
}

// Planned lists the rules there are plans of, but for those that look at the cluster.
func (s *Set) Planned(ctx context.Context) (out []Planned) {
	for _, p := range s.policies {
		if p.looks() || p.calls != nil {
			continue
		}
		bare := p.withoutPlan()
		bare.spec.Lenient = true // as plans are
		for i, q := range p.queries {
			made := q.plan
			if made == nil {
				var err error
				if made, err = plan.Of(ctx, p.compiler, p.spec.Package.Append(ast.StringTerm(q.rule))); err != nil {
					continue
				}
			}
			out = append(out, Planned{Policy: p.spec.ID, Rule: q.rule, set: s, asked: asked{Policy: bare, query: bare.queries[i]}, plan: made})
		}
	}
	return out
}

// Said is what two evaluations say of one request; nil values are undefined.
type Said struct {
	Plan, OPA       ast.Value
	PlanErr, OPAErr error
}

// Ask asks the plan and OPA's evaluation, whatever requests the policy is about. The error is one of the request's.
func (p Planned) Ask(ctx context.Context, req *review.Request) (said Said, err error) {
	in, err := p.set.inputs(req)
	if err != nil {
		return said, err
	}
	in.admission, in.unreadable = p.set.admission(req, in)
	in = in.unshared()
	input, err := in.of(p.asked.Policy)
	if err != nil {
		return said, err
	}
	said.Plan, said.PlanErr = p.plan.Value(ctx, input, ast.InternedEmptyObject, topdown.NewCancel())
	store := storage.Store(new(inventory.Snapshot))
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		return said, err
	}
	defer store.Abort(ctx, txn)
	said.OPA, said.OPAErr = p.asked.eval(ctx, in, topdown.NewCancel(), store, txn)
	return said, nil
}
