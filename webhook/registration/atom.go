package registration

import (
	"cmp"
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

const all = "*"

// atom is the smallest thing a rule can say: one operation on one resource, wildcards included.
type atom struct {
	Resource
	operation admissionregistrationv1.OperationType
	scope     admissionregistrationv1.ScopeType
}

func operations() []admissionregistrationv1.OperationType {
	return []admissionregistrationv1.OperationType{
		admissionregistrationv1.Create, admissionregistrationv1.Update, admissionregistrationv1.Delete, admissionregistrationv1.Connect,
	}
}

// atoms takes an interest apart.
func (i Interest) atoms() []atom {
	resources, wanted, scope := i.Resources, i.Operations, i.Scope
	if resources == nil {
		resources = []Resource{{Group: all, Resource: all, Subresource: all}}
	}
	if wanted == nil || slices.Contains(wanted, admissionregistrationv1.OperationAll) {
		wanted = operations()
	}
	if scope == "" {
		scope = admissionregistrationv1.AllScopes
	}
	var out []atom
	for _, r := range resources {
		for _, operation := range wanted {
			out = append(out, atom{Resource: r, operation: operation, scope: scope})
		}
	}
	return out
}

func (r Resource) covers(other Resource) bool {
	return (r.Group == all || r.Group == other.Group) &&
		(r.Resource == all || r.Resource == other.Resource) &&
		(r.Subresource == all || r.Subresource == other.Subresource)
}

func (a atom) covers(other atom) bool {
	return a.Resource.covers(other.Resource) && a.operation == other.operation &&
		(a.scope == admissionregistrationv1.AllScopes || a.scope == other.scope)
}

func covered(by []atom, a atom) bool {
	return slices.ContainsFunc(by, func(b atom) bool { return b.covers(a) })
}

// both returns what two names have in common, either of which may be the wildcard.
func both[T ~string](a, b T) (T, bool) {
	switch {
	case a == b, b == all:
		return a, true
	case a == all:
		return b, true
	}
	return "", false
}

func (r Resource) meet(other Resource) (out Resource, ok bool) {
	group, g := both(r.Group, other.Group)
	resource, n := both(r.Resource, other.Resource)
	subresource, s := both(r.Subresource, other.Subresource)
	return Resource{Group: group, Resource: resource, Subresource: subresource}, g && n && s
}

// meet returns what two atoms have in common.
func (a atom) meet(other atom) (out atom, ok bool) {
	resource, same := a.Resource.meet(other.Resource)
	scope, overlap := both(a.scope, other.scope)
	return atom{Resource: resource, operation: a.operation, scope: scope}, same && overlap && a.operation == other.operation
}

// reduce leaves out what other atoms of the list cover, joins scopes, and sorts: the result does not depend on the order of the list.
func reduce(list []atom) []atom {
	list = uncovered(list) // first, so that nothing is widened that need not be there
	for _, a := range list {
		other := a
		switch a.scope {
		case admissionregistrationv1.NamespacedScope:
			other.scope = admissionregistrationv1.ClusterScope
		case admissionregistrationv1.ClusterScope:
			other.scope = admissionregistrationv1.NamespacedScope
		default:
			continue
		}
		if covered(list, other) {
			a.scope = admissionregistrationv1.AllScopes
			list = append(list, a)
		}
	}
	return uncovered(list)
}

// uncovered puts the list in order and leaves out what another atom covers.
func uncovered(list []atom) []atom {
	list = slices.Compact(slices.SortedFunc(slices.Values(list), compareAtoms))
	return slices.DeleteFunc(slices.Clone(list), func(a atom) bool {
		return slices.ContainsFunc(list, func(b atom) bool { return a != b && b.covers(a) })
	})
}

func compareAtoms(a, b atom) int {
	return cmp.Or(
		cmp.Compare(a.Group, b.Group), cmp.Compare(a.Resource.Resource, b.Resource.Resource), cmp.Compare(a.Subresource, b.Subresource),
		cmp.Compare(slices.Index(operations(), a.operation), slices.Index(operations(), b.operation)), cmp.Compare(a.scope, b.scope),
	)
}
