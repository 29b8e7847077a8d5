package native

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/tester"
)

// reading is a place where Rego reads something below input.
type reading struct {
	path     []string // the part of it that is spelt out, ["request", "object"]; what is only known when the rule is evaluated ends it
	fallback bool     // it is read by object.get, which says what follows when it is not there
	at       *ast.Location
}

// reads lists what a module reads below input, by its name, an import or object.get, in the order of the text. Tests are left out: they
// make inputs of their own.
func (m module) reads() (out []reading) {
	imported := map[ast.Var][]string{}
	for _, i := range m.Imports {
		if ref, ok := i.Path.Value.(ast.Ref); ok && ref.HasPrefix(ast.InputRootRef) {
			imported[i.Name()] = spelt(ref[1:])
		}
	}
	// below returns what a term refers to below input.
	below := func(t *ast.Term) (path []string, ok bool) {
		switch value := t.Value.(type) {
		case ast.Var:
			path, ok = imported[value]
			return path, ok
		case ast.Ref:
			if value.HasPrefix(ast.InputRootRef) {
				return spelt(value[1:]), true
			}
			if head, isVar := value[0].Value.(ast.Var); isVar {
				path, ok = imported[head]
				return slices.Concat(path, spelt(value[1:])), ok
			}
		}
		return nil, false
	}
	add := func(path []string, at *ast.Term, fallback bool) {
		if len(path) > 0 && at.Location != nil {
			out = append(out, reading{path: path, fallback: fallback, at: at.Location})
		}
	}
	get := func(call []*ast.Term) { // object.get(input.parameters, "name", ...)
		if len(call) < 3 || call[0].Value.Compare(ast.ObjectGet.Ref()) != 0 {
			return
		}
		if path, ok := below(call[1]); ok {
			keys := []*ast.Term{call[2]}
			if array, ok := call[2].Value.(*ast.Array); ok {
				keys = nil
				array.Foreach(func(key *ast.Term) { keys = append(keys, key) })
			}
			add(slices.Concat(path, spelt(keys)), call[1], true)
		}
	}
	walk(m.Module, func(x any) {
		switch x := x.(type) {
		case *ast.Expr:
			if call, ok := x.Terms.([]*ast.Term); ok {
				get(call)
			}
		case *ast.Term:
			if call, ok := x.Value.(ast.Call); ok {
				get(call)
			} else if path, ok := below(x); ok {
				add(path, x, false)
			}
		}
	})
	return out
}

// walk visits all of a module but its tests and what "with" puts something in the place of.
func walk(node any, visit func(any)) {
	var visitor *ast.GenericVisitor
	visitor = ast.NewGenericVisitor(func(x any) bool {
		switch x := x.(type) {
		case *ast.Rule:
			if name, isRule := nameOf(x); isRule && strings.HasPrefix(name, tester.TestPrefix) {
				return true
			}
		case *ast.With:
			visitor.Walk(x.Value)
			return true
		}
		visit(x)
		return false
	})
	visitor.Walk(node)
}

// replacesInput reports whether a rule that is no test evaluates others with an input of its own making.
func (m module) replacesInput() bool {
	found := false
	walk(m.Module, func(x any) {
		if expr, ok := x.(*ast.Expr); ok {
			found = found || slices.ContainsFunc(expr.With, func(w *ast.With) bool {
				target, ok := w.Target.Value.(ast.Ref)
				return ok && target.HasPrefix(ast.InputRootRef) || w.Target.Equal(ast.InputRootDocument)
			})
		}
	})
	return found
}

// spelt returns the texts with which terms begin.
func spelt(terms []*ast.Term) (out []string) {
	for _, term := range terms {
		text, ok := term.Value.(ast.String)
		if !ok {
			break
		}
		out = append(out, string(text))
	}
	return out
}
