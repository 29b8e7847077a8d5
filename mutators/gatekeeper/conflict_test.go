package gatekeeper

import (
	"fmt"
	"strings"
	"testing"
)

func errorsOf(errs []error) string {
	var out []string
	for _, err := range errs {
		out = append(out, err.Error())
	}
	return strings.Join(out, "\n")
}

func TestConflicts(t *testing.T) {
	assign := func(name, location string) string {
		return spec("Assign", name, `location: '`+location+`', parameters: {assign: {value: {name: a}}}`)
	}
	modify := func(name, location string) string {
		return spec("ModifySet", name, `location: '`+location+`', parameters: {values: {fromList: [1]}}`)
	}
	image := func(name, location string) string {
		return spec("AssignImage", name, `location: '`+location+`', parameters: {assignTag: ":v1"}`)
	}
	of := func(kind, text string) string { return strings.Replace(text, "[Thing]", "["+kind+"]", 1) }
	at := func(operation, text string) string {
		return strings.Replace(text, "[Thing]", "[Thing], operations: ["+operation+"]", 1)
	}
	const agree = "; neither is applied until they agree"
	pair := func(a, b, at, isA, isB string) string {
		one := "m.yaml:: %s: spec.location: to %s (m.yaml:), %s is %s, to this one it is %s" + agree
		words := func(id string) string { return strings.Replace(id, "/", " ", 1) }
		return fmt.Sprintf(one, words(a), b, at, isB, isA) + "\n" + fmt.Sprintf(one, words(b), a, at, isA, isB)
	}
	for _, c := range []struct {
		name  string
		texts []string
		want  string
	}{
		{"none", []string{assign("a", "spec.x"), assign("b", "spec.y")}, ""},
		{"the same place", []string{assign("a", "spec.x"), assign("b", "spec.x")}, ""},
		{"elements of one list", []string{assign("a", "spec.c[name: a].x"), assign("b", "spec.c[name: *].x"), assign("c", "spec.c[name: a]")}, ""},
		{"a list and an object", []string{assign("a", "spec.c.x"), assign("b", "spec.c[name: a].x")}, pair("Assign/a", "Assign/b", "spec.c", "an object", "a list with the key name")},
		{"two keys of a list", []string{assign("a", "spec.c[name: a].x"), assign("b", "spec.c[id: a].x")}, pair("Assign/a", "Assign/b", "spec.c", "a list with the key name", "a list with the key id")},
		{"deep in all elements", []string{assign("a", "spec.c[name: a].x.y"), assign("b", "spec.c[name: *].x[k: 1].y")}, pair("Assign/a", "Assign/b", "spec.c[name: *].x", "an object", "a list with the key k")},
		{"a set and a list of objects", []string{assign("a", "spec.c[name: a].x"), modify("m", "spec.c")}, pair("Assign/a", "ModifySet/m", "spec.c", "a list with the key name", "a list of values")},
		{"an image and an object", []string{assign("a", "spec.image.x"), image("i", "spec.image")}, pair("Assign/a", "AssignImage/i", "spec.image", "an object", "a string")},
		{"an image and a set", []string{image("i", "spec.a"), modify("m", "spec.a")}, pair("AssignImage/i", "ModifySet/m", "spec.a", "a string", "a list of values")},
		{"what Assign sets may be anything", []string{assign("a", "spec.a"), image("i", "spec.a")}, ""},
		{"it may be an object too", []string{assign("a", "spec.a"), assign("b", "spec.a.b")}, ""},
		{"other kinds of objects", []string{assign("a", "spec.c.x"), of("Other", assign("b", "spec.c[name: a].x"))}, ""},
		{"other operations", []string{at("CREATE", assign("a", "spec.c.x")), at("UPDATE", assign("b", "spec.c[name: a].x"))}, ""},
		{"one operation and all", []string{at("CREATE", assign("a", "spec.c.x")), assign("b", "spec.c[name: a].x")}, pair("Assign/a", "Assign/b", "spec.c", "an object", "a list with the key name")},
		{"labels are in none", []string{spec("AssignMetadata", "a", "location: metadata.labels.a, parameters: {assign: {value: x}}"), assign("b", "spec.a")}, ""},
		{
			"all that use the place",
			[]string{assign("a", "spec.c.x"), assign("b", "spec.c[name: a].x"), assign("c", "spec.c[name: b].y"), assign("d", "spec.d")},
			"m.yaml:: Assign a: spec.location: to Assign/b (m.yaml:), spec.c is a list with the key name, to this one it is an object" + agree +
				"\nm.yaml:: Assign b: spec.location: to Assign/a (m.yaml:), spec.c is an object, to this one it is a list with the key name" + agree +
				"\nm.yaml:: Assign c: spec.location: to Assign/a (m.yaml:), spec.c is an object, to this one it is a list with the key name" + agree,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var list []*Mutator
			for _, text := range c.texts {
				list = append(list, mutator(t, text))
			}
			set, errs := NewSet(list)
			if got := errorsOf(errs); got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
			if len(set.Mutators())+len(errs) != len(list) {
				t.Errorf("%d of %d are applied, with %d errors", len(set.Mutators()), len(list), len(errs))
			}
		})
	}
}

func TestTwoOfOneName(t *testing.T) {
	a := mutator(t, spec("Assign", "a", `location: spec.x, parameters: {assign: {value: 1}}`))
	b := mutator(t, spec("Assign", "b", `location: spec.y, parameters: {assign: {value: 1}}`))
	set, errs := NewSet([]*Mutator{a, b, a})
	want := "m.yaml:: Assign a: it is also defined in m.yaml:, and neither is applied; give one of them another name"
	if got := errorsOf(errs); got != want+"\n"+want || len(set.Mutators()) != 1 || set.Mutators()[0] != b {
		t.Error(got, set.Mutators())
	}
}
