package fields

import (
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/tester"

	"github.com/portcullis-dev/portcullis/policies/spelling"
)

// Check returns an error, which begins with file and row, for each field that the rules of a package read and that is never there, and for
// each that its edits set, if input is of a type. Packages that it imports may serve others as well and are not held to it; neither are
// tests. Compiler must have compiled the modules.
func Check(compiler *ast.Compiler, pkg ast.Ref, input Type) []error {
	for _, module := range compiler.Modules {
		if replacesInput(module) {
			return nil
		}
	}
	c := &check{told: map[string]bool{}}
	c.reading = reading{compiler: compiler, input: input, rules: map[string]Type{}, missing: c.field}
	for _, module := range c.modules(pkg) {
		for _, rule := range module.Rules {
			if isTest(rule) {
				continue
			}
			if made, ok := c.rule(rule); ok && rule.Head.Ref()[0].Equal(ast.VarTerm("mutate")) {
				c.edits(rule, made)
			}
		}
	}
	return c.errs
}

type check struct {
	reading
	errs []error
	told map[string]bool
}

func isTest(rule *ast.Rule) bool {
	name, _ := rule.Head.Ref()[0].Value.(ast.Var)
	return strings.HasPrefix(string(name), tester.TestPrefix)
}

// replacesInput reports whether a rule that is no test evaluates others with an input of its own making.
func replacesInput(module *ast.Module) (found bool) {
	for _, rule := range module.Rules {
		if isTest(rule) {
			continue
		}
		ast.WalkWiths(rule, func(with *ast.With) bool {
			ref, ok := with.Target.Value.(ast.Ref)
			found = found || with.Target.Equal(ast.InputRootDocument) || ok && ref[0].Equal(ast.InputRootDocument)
			return found
		})
	}
	return found
}

func (c *check) say(at *ast.Location, format string, args ...any) {
	said := fmt.Sprintf(format, args...)
	if at != nil {
		said = fmt.Sprintf("%s:%d: %s", at.File, at.Row, said)
	}
	if !c.told[said] {
		c.told[said] = true
		c.errs = append(c.errs, fmt.Errorf("%s", said))
	}
}

// field tells of a field that is read and never there.
func (c *check) field(m missing) {
	name, _ := m.ref[len(m.ref)-1].Value.(ast.String)
	said := never(m.in, string(name))
	if strings.HasSuffix(said, Release) {
		said += "; one that is newer can be read with object.get"
	}
	c.say(m.at, "%s%s", c.written(m.ref), said)
}

// written is a reference as its author knows it, "c.image: ", or nothing where the compiler made it.
func (c *check) written(ref ast.Ref) string {
	ref = slices.Clone(ref)
	for i, term := range ref {
		v, ok := term.Value.(ast.Var)
		if !ok {
			continue
		}
		name := c.original(v)
		if name == "_" && i == 0 {
			return ""
		}
		ref[i] = ast.VarTerm(string(name))
	}
	return ref.String() + ": "
}

func (c *check) original(v ast.Var) ast.Var {
	if name, ok := c.compiler.RewrittenVars[v]; ok {
		v = name
	}
	if v.IsGenerated() || v.IsWildcard() || strings.HasPrefix(string(v), "__local") {
		return "_"
	}
	return v
}

// never says that there is no such field in what a value may be.
func never(in Type, name string) string {
	values := in.values()
	var places, names []string
	for _, v := range values {
		places = append(places, v.place.String())
		names = append(names, v.names()...)
	}
	slices.Sort(places)
	places = slices.Compact(places)
	if more := len(places) - 3; more > 1 {
		places = append(places[:3], fmt.Sprintf("%d others", more))
	}
	said := fmt.Sprintf("there is no field %q in %s", name, spelling.Listed(places, "or"))
	if near := spelling.Nearest(name, names...); near != "" {
		return fmt.Sprintf("%s; did you mean %q?", said, near)
	}
	if len(values) == 1 && isList(values[0].of) {
		return said + ", which is a list" + element(values[0], name)
	}
	if len(names) == 0 {
		return said + ", which has none"
	}
	return said + " as of Kubernetes " + Release
}

// element suggests how to read a field of the elements of a list, if they have it.
func element(list value, name string) string {
	each, _ := list.each()
	if one, ok := each.Field(name); !ok || each.unknown() && one.unknown() {
		return ""
	}
	path := list.place.path[strings.LastIndexByte(list.place.path, '.')+1:]
	return fmt.Sprintf("; did you mean %q?", path+"[_]."+name)
}
