package inventory

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// table is a list of named terms in the order of their names, from which an object can be made without sorting or hashing names anew.
// It is the writer's alone.
type table [][2]*ast.Term

func (t table) find(name string) (int, bool) {
	return slices.BinarySearchFunc(t, name, func(pair [2]*ast.Term, name string) int {
		key, _ := pair[0].Value.(ast.String)
		return strings.Compare(string(key), name)
	})
}

// set puts a value in the place of that of the same name, if there is one. It reports whether there was none.
func (t *table) set(name string, value *ast.Term) (added bool) {
	at, found := t.find(name)
	if found {
		(*t)[at][1] = value
		return false
	}
	*t = slices.Insert(*t, at, [2]*ast.Term{ast.StringTerm(name), value})
	return true
}

// remove reports whether there was something to remove.
func (t *table) remove(name string) bool {
	at, found := t.find(name)
	if found {
		*t = slices.Delete(*t, at, at+1)
	}
	return found
}

// object makes the object that reviews read. OPA sorts an object's keys when they are first asked for; that is done here, where no
// review waits for it.
func (t table) object() *ast.Term {
	object := ast.NewObject(t...)
	object.KeysIterator()
	return ast.NewTerm(object)
}
