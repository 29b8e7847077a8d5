package policies

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-dev/portcullis/policies/inventory"
)

// syncedReads are the kinds that a policy may read at data.inventory. Nil reads nothing there.
type syncedReads []syncedKind

// syncedKind is one of them. An empty member is one that is only known when the rule is evaluated: it may be any.
type syncedKind struct{ groupVersion, kind string }

// reads reports whether the policy may read a kind, by what it is called at data.inventory. It may unless its Rego proves the contrary.
func (r syncedReads) reads(groupVersion, kind string) bool {
	return slices.ContainsFunc(r, func(k syncedKind) bool {
		return (k.groupVersion == "" || k.groupVersion == groupVersion) && (k.kind == "" || k.kind == kind)
	})
}

// readsOfSynced works out which kinds compiled modules may read at data.inventory, from nothing but the references that lead there. Whatever
// becomes of a value, be it held in a variable or passed to a function, the reference that fetched it says of which kind it can be; one that ends
// before the kind, or has a variable in its place, can be of any.
func readsOfSynced(compiler *ast.Compiler) (out syncedReads) {
	note := func(kind syncedKind) {
		if !slices.Contains(out, kind) {
			out = append(out, kind)
		}
	}
	var visitor *ast.GenericVisitor
	visitor = ast.NewGenericVisitor(func(x any) bool {
		switch x := x.(type) {
		case *ast.Head: // the visitor itself passes over its reference
			for _, term := range x.Reference[min(1, len(x.Reference)):] {
				visitor.Walk(term)
			}
		case *ast.With: // what is put in the place of its target is read, and the target is not
			visitor.Walk(x.Value)
			return true
		case ast.Var:
			if x.Equal(ast.DefaultRootDocument.Value) {
				note(syncedKind{})
			}
		case ast.Ref:
			if !x[0].Equal(ast.DefaultRootDocument) {
				return false
			}
			if kind, leads := syncedKindOf(x); leads {
				note(kind)
			}
			for _, term := range x[1:] { // data itself would be found to be all of it
				visitor.Walk(term)
			}
			return true
		}
		return false
	})
	for _, module := range compiler.Modules {
		for _, rule := range module.Rules {
			visitor.Walk(rule)
		}
	}
	return out
}

// syncedKindOf is what a reference under data reads at data.inventory; false if it cannot lead there.
func syncedKindOf(ref ast.Ref) (syncedKind, bool) {
	if len(ref) > 1 && ref[1].IsGround() && !ref[1].Equal(ast.InternedTerm(inventory.SyncedRoot)) {
		return syncedKind{}, false
	}
	at := 0 // of the group's version, behind data.inventory.cluster or data.inventory.namespace[name]
	switch constantAt(ref, 2) {
	case "cluster":
		at = 3
	case "namespace":
		at = 4
	default:
		return syncedKind{}, true
	}
	return syncedKind{constantAt(ref, at), constantAt(ref, at+1)}, true
}

// constantAt is the name at a place of a reference, or empty where there is none, or none that is known.
func constantAt(ref ast.Ref, at int) string {
	if at >= len(ref) {
		return ""
	}
	name, _ := ref[at].Value.(ast.String)
	return string(name)
}
