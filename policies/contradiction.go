package policies

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-dev/portcullis/review"
)

// withoutContradictions takes out the policies that contradict another that stands before them: an operator's file stands before an object,
// then what is there now before what is kept of earlier, and then the order of names decides. It does not matter in which order policies
// came: all replicas see the same ones win, also those that were started later. The order of compiled stays.
func withoutContradictions(compiled []*Policy, kept ...string) ([]*Policy, Faults) {
	ranked := slices.SortedFunc(slices.Values(compiled), func(a, b *Policy) int {
		return cmp.Or(listedLast(a.spec, b.spec), keptLast(a.spec, b.spec, kept), cmp.Compare(a.spec.ID, b.spec.ID))
	})
	faults := contradictions(ranked)
	return slices.DeleteFunc(compiled, func(p *Policy) bool { return faults.of(p.spec.ID) }), faults
}

func keptLast(a, b Spec, kept []string) int {
	switch a, b := slices.Contains(kept, a.ID), slices.Contains(kept, b.ID); {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// contradictions finds policies that can be seen, without any request, to set one path to different values than an earlier one whenever both
// are asked. One that is found stands in nobody's way any more. What only an object shows is found when it comes, and refused then.
func contradictions(compiled []*Policy) Faults {
	type constant struct {
		policy *Policy
		value  *ast.Term
		at     *ast.Location
	}
	byPath := map[string][]constant{}
	var faults Faults
	for _, policy := range compiled {
		own := map[string][]constant{}
		before := len(faults)
		for _, rule := range policy.constantEdits() {
			edit, _ := rule.Head.Key.Value.(ast.Object)
			path, value := edit.Get(ast.InternedTerm("set")), edit.Get(ast.InternedTerm("value"))
			if path == nil || value == nil {
				continue
			}
			key := path.String()
			for _, other := range byPath[key] {
				if !other.value.Equal(value) && overlapSurely(policy.spec.Match, other.policy.spec.Match) {
					faults = append(faults, Fault{File: policy.spec.File, Policy: policy.spec.ID, listed: policy.spec.listed, Err: fmt.Errorf(
						"%s:%d: policies %s and %s set %s to different values whenever they are asked; the other does so at %s:%d",
						rule.Location.File, rule.Location.Row, policy.spec.ID, other.policy.spec.ID, key, other.at.File, other.at.Row)})
				}
			}
			own[key] = append(own[key], constant{policy: policy, value: value, at: rule.Location})
		}
		if len(faults) > before {
			continue
		}
		for key, constants := range own {
			byPath[key] = append(byPath[key], constants...)
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
