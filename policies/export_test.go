package policies

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

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

// IgnoresManagedFields reports whether none of its rules reads an object's managed fields.
func (s *Set) IgnoresManagedFields() bool {
	for _, p := range s.policies {
		for _, q := range p.queries {
			if !q.ignores {
				return false
			}
		}
	}
	return true
}

// Planned is a rule that there is a plan of, whether or not reviews are asked by it.
type Planned struct {
	Policy, Rule string
	set          *Set
	quick, asked asked
	plan         *plan.Plan
}

// Planned lists the rules there are plans of, but for those that look at the cluster.
func (s *Set) Planned(ctx context.Context) (out []Planned) {
	for _, p := range s.policies {
		if p.looks() || p.calls != nil {
			continue
		}
		for i, q := range p.queries {
			bare, made := p.withoutPlan(), q.plan
			if made == nil {
				if gives(q.rule) { // whose failures are never undefined
					continue
				}
				var err error
				if made, err = plan.Of(ctx, p.compiler, plan.Rule{Ref: p.spec.Package.Append(ast.StringTerm(q.rule))}); err != nil {
					continue
				}
				bare.spec.Lenient = true
			}
			out = append(out, Planned{Policy: p.spec.ID, Rule: q.rule, set: s, plan: made, quick: asked{Policy: p, query: q}, asked: asked{Policy: bare, query: bare.queries[i]}})
		}
	}
	return out
}

// Said is what two evaluations say of one request; nil values are undefined.
type Said struct {
	Plan, OPA       ast.Value
	PlanErr, OPAErr error
	Answers         string // how the policy's answers differ, with the quick way and without
}

// Ask asks the plan and OPA's evaluation, whatever requests the policy is about. The error is one of the request's.
func (p Planned) Ask(ctx context.Context, req *review.Request) (said Said, err error) {
	in, err := p.inputs(req, elsewhere)
	if err != nil {
		return said, err
	}
	input, err := in.of(p.asked.Policy)
	if err != nil {
		return said, err
	}
	said.Plan, said.PlanErr = p.plan.Value(ctx, in.memory, input, ast.InternedEmptyObject, topdown.NewCancel())
	opa := ask(ctx, p.asked, in, topdown.NewCancel())
	said.OPA, said.OPAErr = opa.value, opa.err
	if p.quick.query.plan != nil {
		p.quick.query.trouble.count.Store(0)
		at := elsewhere
		if p.quick.query.ignores {
			at = atReview
		}
		least, err := p.inputs(req, at)
		if err != nil {
			return said, err
		}
		if quick, bare := worth(ask(ctx, p.quick, least, topdown.NewCancel())), worth(opa); quick != bare {
			said.Answers = fmt.Sprintf("with the quick way %s, without %s", quick, bare)
		}
	}
	return said, nil
}

func (p Planned) inputs(req *review.Request, at place) (inputs, error) {
	in, err := p.set.inputs(req, at)
	if err == nil {
		in.admission, in.unreadable = p.set.admission(req, in)
	}
	return in.unshared(), err
}

// worth is what comes of an answer in the end.
func worth(a answer) string {
	var d review.Decision
	granted, err := add(&d, "", a)
	text, _ := json.Marshal(d)
	return fmt.Sprintf("%t %s, %v", granted, text, err)
}
