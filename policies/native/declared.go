package native

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// undeclared returns an error for the first reference to a parameter that the schema does not name: it would always be undefined, and its
// rule silently never hold. References by a variable are left alone.
func (s *schema) undeclared(modules []module) error {
	names, complete := s.names()
	if !complete {
		return nil
	}
	for _, m := range modules {
		for _, reference := range m.parameters() {
			if slices.Contains(names, reference.name) {
				continue
			}
			err := fmt.Errorf("input.parameters.%s is read, but the METADATA has no schema of parameters; add one that names it", reference.name)
			if s != nil {
				err = fmt.Errorf("input.parameters.%s is not in the schema of this policy's parameters: %s", reference.name, strings.Join(names, ", "))
			}
			return &placedError{at: fmt.Sprintf("%s:%d", reference.at.File, reference.at.Row), err: err}
		}
	}
	return nil
}

// names returns the parameters that the schema names, and whether there can be no others.
func (s *schema) names() (names []string, complete bool) {
	if s == nil {
		return nil, true
	}
	described, ok := s.described.(map[string]any)
	if !ok || described["additionalProperties"] != false || described["patternProperties"] != nil {
		return nil, false
	}
	properties, _ := described["properties"].(map[string]any)
	return slices.Sorted(maps.Keys(properties)), true
}

// parameter is one reference to a member of input.parameters.
type parameter struct {
	name string
	at   *ast.Location
}

// parameters lists the references of a module to members of input.parameters, in the order of the text.
func (m module) parameters() (out []parameter) {
	all := ast.InputRootRef.Append(ast.StringTerm("parameters"))
	imported := map[ast.Var]bool{}
	for _, i := range m.Imports {
		if i.Path.Value.Compare(all) == 0 {
			imported[i.Name()] = true
		}
	}
	// below returns what a term refers to below input.parameters.
	below := func(t *ast.Term) (rest []*ast.Term, ok bool) {
		switch value := t.Value.(type) {
		case ast.Var:
			return nil, imported[value]
		case ast.Ref:
			if value.HasPrefix(all) {
				return value[len(all):], true
			}
			if head, ok := value[0].Value.(ast.Var); ok && imported[head] {
				return value[1:], true
			}
		}
		return nil, false
	}
	add := func(name, at *ast.Term) {
		if text, ok := name.Value.(ast.String); ok && at.Location != nil {
			out = append(out, parameter{string(text), at.Location})
		}
	}
	get := func(call []*ast.Term) { // object.get(input.parameters, "name", ...)
		if len(call) < 3 || call[0].Value.Compare(ast.ObjectGet.Ref()) != 0 {
			return
		}
		if rest, ok := below(call[1]); ok && len(rest) == 0 {
			add(call[2], call[1])
		}
	}
	ast.NewGenericVisitor(func(x any) bool {
		switch x := x.(type) {
		case *ast.Expr:
			if call, ok := x.Terms.([]*ast.Term); ok {
				get(call)
			}
		case *ast.Term:
			if call, ok := x.Value.(ast.Call); ok {
				get(call)
			} else if rest, ok := below(x); ok && len(rest) > 0 {
				add(rest[0], x)
			}
		}
		return false
	}).Walk(m.Module)
	return out
}
