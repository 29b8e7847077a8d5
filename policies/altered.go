package policies

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-dev/portcullis/review"
)

// Path leads to a member of an object, "metadata.labels". Through a list it leads to that member of each element, "spec.containers.image".
type Path string

// alteration is what an UPDATE makes of its object. It is read when the first policy asks, and once for all of them.
type alteration struct {
	req      *review.Request
	old, new Value
	known    map[Path]difference
}

// difference is what a path leads to before and after: the same or not, and whether anything is there at all.
type difference struct{ differs, there bool }

// concerns reports whether a policy is asked about the request as far as its Changes go. An error means that an object cannot be read.
func (a *alteration) concerns(m Match) (bool, error) {
	if len(m.Changes) == 0 || a.req.Verb != "update" || len(a.req.Object) == 0 || len(a.req.OldObject) == 0 {
		return true, nil
	}
	if a.known == nil {
		var err error
		if a.old, err = ParseValue(a.req.OldObject); err != nil {
			return false, err
		}
		if a.new, err = ParseValue(a.req.Object); err != nil {
			return false, err
		}
		a.known = map[Path]difference{}
	}
	if m.Labels != nil && a.under("metadata.labels").differs {
		return true, nil // it may be by these that the policy is asked at all
	}
	there := false
	for _, path := range m.Changes {
		found := a.under(path)
		if found.differs {
			return true, nil
		}
		there = there || found.there
	}
	// Of a custom resource nobody knows whether it has such members. If it has none of them, they say nothing of what was changed.
	return !there, nil
}

func (a *alteration) under(path Path) difference {
	found, ok := a.known[path]
	if !ok {
		found = compare(a.old, a.new, strings.Split(string(path), "."))
		// Every object has metadata, and may have labels, annotations and finalizers.
		found.there = found.there || strings.HasPrefix(string(path), "metadata.")
		a.known[path] = found
	}
	return found
}

// compare follows a path in two values, of which one that is not there is nil.
func compare(a, b Value, path []string) difference {
	if a == nil || b == nil || len(path) == 0 {
		return difference{differs: !equal(a, b), there: (a != nil || b != nil) && len(path) == 0}
	}
	if x, ok := a.(ast.Object); ok {
		if y, ok := b.(ast.Object); ok {
			return compare(memberOf(x, path[0]), memberOf(y, path[0]), path[1:])
		}
	}
	x, isList := a.(*ast.Array)
	y, areLists := b.(*ast.Array)
	if !isList || !areLists || x.Len() != y.Len() {
		return difference{differs: !equal(a, b), there: isList || areLists}
	}
	out := difference{there: true}
	for i := range x.Len() {
		out.differs = out.differs || compare(x.Elem(i).Value, y.Elem(i).Value, path).differs
	}
	return out
}

func memberOf(object ast.Object, name string) Value {
	if term := object.Get(ast.StringTerm(name)); term != nil {
		return term.Value
	}
	return nil
}

func equal(a, b Value) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Compare(b) == 0
}
