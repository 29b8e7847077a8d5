package native

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-dev/portcullis/policies"
)

// undeclared returns an error for the first reference to a parameter that the schema does not name: it would always be undefined, and its
// rule silently never hold. References by a variable are left alone.
func (s *schema) undeclared(modules []module) error {
	names, complete := s.names()
	if !complete {
		return nil
	}
	for _, reference := range parametersOf(modules) {
		if slices.Contains(names, reference.path[1]) {
			continue
		}
		err := fmt.Errorf("input.parameters.%s is read, but the METADATA has no schema of parameters; add one that names it", reference.path[1])
		if s != nil {
			known := ", which names none; add it to properties"
			if len(names) > 0 {
				known = ": " + strings.Join(names, ", ")
			}
			err = fmt.Errorf("input.parameters.%s is not in the schema of this policy's parameters%s", reference.path[1], known)
		}
		return &placedError{at: fmt.Sprintf("%s:%d", reference.at.File, reference.at.Row), err: err}
	}
	return nil
}

// ungiven returns an error for the first parameter that is read and has no value: what reads it would be undefined, and silently never hold.
// One that object.get reads has a value for that case.
func (s *schema) ungiven(modules []module, values policies.Value) error {
	names, complete := s.names()
	given, _ := values.(ast.Object)
	if !complete || given == nil {
		return nil
	}
	for _, reference := range parametersOf(modules) {
		name := reference.path[1]
		if reference.fallback || !slices.Contains(names, name) || given.Get(ast.StringTerm(name)) != nil {
			continue
		}
		err := fmt.Errorf("the parameter %s is read, but it is not given and has no default; give it a default, name it in required, "+
			"or read it with object.get", name)
		return under(err, "parameters", "properties", name)
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

// parametersOf lists the references of modules to members of input.parameters.
func parametersOf(modules []module) (out []reading) {
	for _, m := range modules {
		for _, r := range m.reads() {
			if len(r.path) > 1 && r.path[0] == "parameters" {
				out = append(out, r)
			}
		}
	}
	return out
}
