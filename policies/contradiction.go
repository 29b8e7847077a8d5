package policies

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-dev/portcullis/review"
)

// withoutContradictions takes out the policies that contradict an earlier one, or an operator's file.
func withoutContradictions(compiled []*Policy) ([]*Policy, Faults) {
	slices.SortStableFunc(compiled, func(a, b *Policy) int { return listedLast(a.spec, b.spec) })
	faults := contradictions(compiled)
	return slices.DeleteFunc(compiled, func(p *Policy) bool {
		return slices.ContainsFunc(faults, func(f Fault) bool { return f.Policy == p.spec.ID })
	}), faults
}

// contradictions finds policies that can be seen, without any request, to set one path to different values whenever both are asked.
// What only an object shows is found when it comes, and refused then.
func contradictions(compiled []*Policy) Faults {
	type constant struct {
		policy *Policy
		value  *ast.Term
		at     *ast.Location
	}
	byPath := map[string][]constant{}
	var faults Faults
	for _, policy := range compiled {
		for _, rule := range policy.constantEdits() {
			edit, _ := rule.Head.Key.Value.(ast.Object)
			path, value := edit.Get(ast.InternedTerm("set")), edit.Get(ast.InternedTerm("value"))
			if path == nil || value == nil {
				continue
			}
			key := path.String()
			for _, other := range byPath[key] {
				if other.policy != policy && !other.value.Equal(value) && overlapSurely(policy.spec.Match, other.policy.spec.Match) {
					faults = append(faults, Fault{File: policy.spec.File, Policy: policy.spec.ID, listed: policy.spec.listed, Err: fmt.Errorf(
						"%s:%d: policies %s and %s set %s to different values whenever they are asked; the other does so at %s:%d",
						rule.Location.File, rule.Location.Row, policy.spec.ID, other.policy.spec.ID, key, other.at.File, other.at.Row)})
				}
			}
			byPath[key] = append(byPath[key], constant{policy: policy, value: value, at: rule.Location})
		}
	}
	return faults
}

// constantEdits are the rules of a policy in force that make the same edit of every object.
func (p *Policy) constantEdits() []*ast.Rule {
	if p.spec.Enforcement != EnforceDeny || !slices.ContainsFunc(p.queries, func(q *query) bool { return q.stage == review.Mutate }) {
		return nil
	}
	var out []*ast.Rule
	for _, module := range p.spec.Modules {
		if !module.Package.Path.Equal(p.spec.Package) {
			continue
		}
		for _, rule := range module.Rules {
			if ref := rule.Head.Ref(); len(ref) == 0 || ref[0].Value.Compare(ast.Var("mutate")) != 0 || rule.Head.Key == nil {
				continue
			}
			if _, ok := rule.Head.Key.Value.(ast.Object); ok && rule.Head.Key.IsGround() && always(rule.Body) {
				out = append(out, rule)
			}
		}
	}
	return out
}

// always reports whether a rule has no condition, which the parser spells "true".
func always(body ast.Body) bool {
	return len(body) == 0 || len(body) == 1 && body[0].Equal(ast.NewExpr(ast.InternedTerm(true)))
}

// overlapSurely reports whether two matches are certain to hold for one request: they share a resource and an operation, and all their other
// conditions are the same.
func overlapSurely(a, b Match) bool {
	resource := len(a.Resources) == 0 || len(b.Resources) == 0 ||
		slices.ContainsFunc(a.Resources, func(r Resource) bool { return slices.Contains(b.Resources, r) })
	operation := len(a.Operations) == 0 || len(b.Operations) == 0 ||
		slices.ContainsFunc(a.Operations, func(o string) bool { return slices.Contains(b.Operations, o) })
	a.Resources, a.Operations, b.Resources, b.Operations = nil, nil, nil, nil
	return resource && operation && reflect.DeepEqual(a, b)
}
