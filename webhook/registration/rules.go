package registration

import (
	"cmp"
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

// rules joins reduced atoms: the operations of one resource, then the resources of one group that have the same operations and scope.
func rules(atoms []atom) []admissionregistrationv1.RuleWithOperations {
	type place struct {
		Resource
		scope admissionregistrationv1.ScopeType
	}
	asked := map[place][]admissionregistrationv1.OperationType{}
	for _, a := range atoms { // sorted, so that operations come in order
		p := place{a.Resource, a.scope}
		asked[p] = append(asked[p], a.operation)
	}
	type key struct {
		group, operations string
		scope             admissionregistrationv1.ScopeType
	}
	joined := map[key]*admissionregistrationv1.RuleWithOperations{}
	for p, operations := range asked {
		k := key{p.Group, text(operations), p.scope}
		rule := joined[k]
		if rule == nil {
			rule = &admissionregistrationv1.RuleWithOperations{Operations: operations, Rule: admissionregistrationv1.Rule{
				APIGroups: []string{p.Group}, APIVersions: []string{all}, Scope: new(p.scope),
			}}
			joined[k] = rule
		}
		rule.Resources = append(rule.Resources, p.name())
	}
	var out []admissionregistrationv1.RuleWithOperations
	for _, rule := range joined {
		slices.Sort(rule.Resources)
		out = append(out, *rule)
	}
	slices.SortFunc(out, func(a, b admissionregistrationv1.RuleWithOperations) int {
		return cmp.Or(
			cmp.Compare(a.APIGroups[0], b.APIGroups[0]), slices.Compare(a.Resources, b.Resources),
			cmp.Compare(text(a.Operations), text(b.Operations)), cmp.Compare(*a.Scope, *b.Scope),
		)
	})
	return out
}

// name is how a rule spells the resource within its group.
func (r Resource) name() string {
	if r.Subresource == "" {
		return r.Resource
	}
	return r.Resource + "/" + r.Subresource
}

func text(operations []admissionregistrationv1.OperationType) string {
	var out strings.Builder
	for _, operation := range operations {
		out.WriteString(string(operation) + " ")
	}
	return out.String()
}

// read takes rules apart again. It understands what rules writes, and what people may make of it.
func read(from []admissionregistrationv1.RuleWithOperations) []atom {
	var out []atom
	for _, rule := range from {
		for _, group := range rule.APIGroups {
			for _, name := range rule.Resources {
				resource, subresource, _ := strings.Cut(name, "/")
				interest := Interest{
					Resources:  []Resource{{Group: group, Resource: resource, Subresource: subresource}},
					Operations: rule.Operations,
				}
				if rule.Scope != nil {
					interest.Scope = *rule.Scope
				}
				out = append(out, interest.atoms()...)
			}
		}
	}
	return out
}
