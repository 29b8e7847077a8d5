package gatekeeper

import (
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/review"
)

func TestAssign(t *testing.T) {
	applied(t, "Assign", []row{
		{"sets what is not there", `location: spec.replicas, parameters: {assign: {value: 3}}`, `{}`, `{"spec":{"replicas":3}}`},
		{"sets what is there", `location: spec.replicas, parameters: {assign: {value: 3}}`, `spec: {replicas: 1, x: z}`, `{"spec":{"replicas":3,"x":"z"}}`},
		{"of another type", `location: spec.replicas, parameters: {assign: {value: {a: [1, 2.5, null, true]}}}`, `spec: {replicas: 1}`, `{"spec":{"replicas":{"a":[1,2.5,null,true]}}}`},
		{"false and empty are values", `location: spec.a, parameters: {assign: {value: false}}`, `{}`, `{"spec":{"a":false}}`},
		{"an empty string too", `location: spec.a, parameters: {assign: {value: ""}}`, `{}`, `{"spec":{"a":""}}`},
		{"makes what is missing on the way", `location: spec.a.b.c, parameters: {assign: {value: x}}`, `spec: {a: {d: 1}}`, `{"spec":{"a":{"b":{"c":"x"},"d":1}}}`},
		{"null is nothing", `location: spec.a.b, parameters: {assign: {value: x}}`, `spec: {a: null}`, `{"spec":{"a":{"b":"x"}}}`},
		{"a quoted name", `location: 'spec."example.com/a"', parameters: {assign: {value: x}}`, `{}`, `{"spec":{"example.com/a":"x"}}`},
		{"the name", `location: spec.a, parameters: {assign: {fromMetadata: {field: name}}}`, `{}`, `{"spec":{"a":"n"}}`},
		{"the namespace of the request", `location: spec.a, parameters: {assign: {fromMetadata: {field: namespace}}}`, `{}`, `{"spec":{"a":"prod"}}`},
		{"the namespace of the object", `location: spec.a, parameters: {assign: {fromMetadata: {field: namespace}}}`, `metadata: {name: n, namespace: own}`, `{"metadata":{"namespace":"own"},"spec":{"a":"own"}}`},
		{"no name yet", `location: spec.a, parameters: {assign: {fromMetadata: {field: name}}}`, `metadata: {generateName: n-}`, `{"metadata":{"generateName":"n-"},"spec":{"a":""}}`},

		{"an element", `location: 'spec.c[name: a].x', parameters: {assign: {value: 1}}`, `spec: {c: [{name: b}, {name: a}]}`, `{"spec":{"c":[{"name":"b"},{"name":"a","x":1}]}}`},
		{"all elements of the key", `location: 'spec.c[name: a].x', parameters: {assign: {value: 1}}`, `spec: {c: [{name: a}, {name: a}]}`, `{"spec":{"c":[{"name":"a","x":1},{"name":"a","x":1}]}}`},
		{"an element is made", `location: 'spec.c[name: a].x', parameters: {assign: {value: 1}}`, `spec: {c: [{name: b}]}`, `{"spec":{"c":[{"name":"b"},{"name":"a","x":1}]}}`},
		{"a list is made", `location: 'spec.c[name: a].d[k: 7].x', parameters: {assign: {value: 1}}`, `{}`, `{"spec":{"c":[{"d":[{"k":7,"x":1}],"name":"a"}]}}`},
		{"elements that are no objects are passed over", `location: 'spec.c[name: a].x', parameters: {assign: {value: 1}}`, `spec: {c: [null, 1, [], {name: a}]}`, `{"spec":{"c":[null,1,[],{"name":"a","x":1}]}}`},
		{"a number as a key", `location: 'spec.p[port: 80].x', parameters: {assign: {value: 1}}`, `spec: {p: [{port: "80"}, {port: 80}, {port: 81}]}`, `{"spec":{"p":[{"port":"80"},{"port":80,"x":1},{"port":81}]}}`},
		{"text of digits as a key", `location: 'spec.p[port: "80"].x', parameters: {assign: {value: 1}}`, `spec: {p: [{port: 80}]}`, `{"spec":{"p":[{"port":80},{"port":"80","x":1}]}}`},
		{"all elements", `location: 'spec.c[name: *].x', parameters: {assign: {value: 1}}`, `spec: {c: [{name: a}, {name: b, x: 2}, {}]}`, `{"spec":{"c":[{"name":"a","x":1},{"name":"b","x":1},{"x":1}]}}`},
		{"an asterisk makes no element", `location: 'spec.c[name: *].x', parameters: {assign: {value: 1}}`, `spec: {c: []}`, `{"spec":{"c":[]}}`},
		{"nor a list", `location: 'spec.c[name: *].x', parameters: {assign: {value: 1}}`, `{}`, `{}`},
		{"a quoted asterisk is a name", `location: 'spec.c[name: "*"].x', parameters: {assign: {value: 1}}`, `spec: {c: [{name: a}]}`, `{"spec":{"c":[{"name":"a"},{"name":"*","x":1}]}}`},
		{"all of all", `location: 'spec.c[name: *].p[q: *].x', parameters: {assign: {value: 1}}`, `spec: {c: [{p: [{}, {}]}, {p: [{}]}, {}]}`, `{"spec":{"c":[{"p":[{"x":1},{"x":1}]},{"p":[{"x":1}]},{}]}}`},

		{"a whole element is appended", `location: 'spec.c[name: a]', parameters: {assign: {value: {name: a, i: 1}}}`, `spec: {c: [{name: b}]}`, `{"spec":{"c":[{"name":"b"},{"i":1,"name":"a"}]}}`},
		{"or replaced", `location: 'spec.c[name: a]', parameters: {assign: {value: {name: a, i: 1}}}`, `spec: {c: [{name: a, j: 2}, {name: b}]}`, `{"spec":{"c":[{"i":1,"name":"a"},{"name":"b"}]}}`},
		{"the first of its key", `location: 'spec.c[name: a]', parameters: {assign: {value: {name: a, i: 1}}}`, `spec: {c: [{name: a}, {name: a}]}`, `{"spec":{"c":[{"i":1,"name":"a"},{"name":"a"}]}}`},
		{"nothing but the key", `location: 'spec.c[name: a]', parameters: {assign: {value: {name: a}}}`, `{}`, `{"spec":{"c":[{"name":"a"}]}}`},
		{"with a number", `location: 'spec.p[port: 80]', parameters: {assign: {value: {port: 80}}}`, `spec: {p: [{port: 81}]}`, `{"spec":{"p":[{"port":81},{"port":80}]}}`},

		{"through a scalar", `location: spec.a.b, parameters: {assign: {value: 1}}`, `spec: {a: secret}`, `Assign/m cannot be applied: spec.a is a string, not an object`},
		{"through a list", `location: spec.a.b, parameters: {assign: {value: 1}}`, `spec: {a: []}`, `Assign/m cannot be applied: spec.a is a list, not an object`},
		{"an object for a list", `location: 'spec.a[name: b].c', parameters: {assign: {value: 1}}`, `spec: {a: {}}`, `Assign/m cannot be applied: spec.a is an object, not a list`},
		{"an asterisk through a scalar", `location: 'spec.a[name: *].c', parameters: {assign: {value: 1}}`, `spec: {a: [true]}`, `Assign/m cannot be applied: an element of spec.a is a boolean, not an object`},
		{"an asterisk through null", `location: 'spec.a[name: *].c', parameters: {assign: {value: 1}}`, `spec: {a: [null]}`, `Assign/m cannot be applied: an element of spec.a is nothing, not an object`},
		{"a whole element among scalars", `location: 'spec.a[name: b]', parameters: {assign: {value: {name: b}}}`, `spec: {a: [1]}`, `Assign/m cannot be applied: an element of spec.a is a number, not an object`},
		{"an asterisk through many elements", `location: 'spec.a[name: *].c[name: *].d', parameters: {assign: {value: 1}}`, `spec: {a: [{c: {}}]}`, `Assign/m cannot be applied: spec.a[name: *].c is an object, not a list`},
	})
}

func TestPathTests(t *testing.T) {
	const (
		missing = `spec: {c: []}`
		there   = `spec: {c: [{name: a, x: 2}]}`
		without = `spec: {c: [{name: a}]}`
		null    = `spec: {c: [{name: a, x: null}]}`
		all     = `'spec.c[name: *].x'`
		one     = `'spec.c[name: a].x'`
		whole   = `'spec.c[name: a]'`
	)
	test := func(location, sub, condition, value string) string {
		return `location: ` + location + `, parameters: {assign: {value: ` + value + `}, pathTests: [{subPath: ` + sub + `, condition: ` + condition + `}]}`
	}
	applied(t, "Assign", []row{
		{"must exist, does", test(one, one, "MustExist", "1"), there, `{"spec":{"c":[{"name":"a","x":1}]}}`},
		{"must exist, does not", test(one, one, "MustExist", "1"), without, `{"spec":{"c":[{"name":"a"}]}}`},
		{"must exist, is null", test(one, one, "MustExist", "1"), null, `{"spec":{"c":[{"name":"a","x":null}]}}`},
		{"must not exist, does not", test(one, one, "MustNotExist", "1"), without, `{"spec":{"c":[{"name":"a","x":1}]}}`},
		{"must not exist, does", test(one, one, "MustNotExist", "1"), there, `{"spec":{"c":[{"name":"a","x":2}]}}`},
		{"must not exist, is null", test(one, one, "MustNotExist", "1"), null, `{"spec":{"c":[{"name":"a","x":1}]}}`},
		{"the element must exist, does", test(one, whole, "MustExist", "1"), without, `{"spec":{"c":[{"name":"a","x":1}]}}`},
		{"the element must exist, does not", test(one, whole, "MustExist", "1"), missing, `{"spec":{"c":[]}}`},
		{"the element must not exist, does", test(one, whole, "MustNotExist", "1"), without, `{"spec":{"c":[{"name":"a"}]}}`},
		{"the list must exist, does not", test(one, "spec.c", "MustExist", "1"), `{}`, `{}`},
		{"the list must exist, does", test(one, "spec.c", "MustExist", "1"), missing, `{"spec":{"c":[{"name":"a","x":1}]}}`},
		{"the list must not exist, does", test(one, "spec.c", "MustNotExist", "1"), missing, `{"spec":{"c":[]}}`},
		{"nothing is made on the way to what must exist", test("spec.a.b.c", "spec.a.b.c", "MustExist", "1"), `{}`, `{}`},
		{"nor an element", test(one, one, "MustExist", "1"), missing, `{"spec":{"c":[]}}`},
		{"each element by itself", test(all, all, "MustNotExist", "1"), `spec: {c: [{name: a, x: 2}, {name: b}]}`, `{"spec":{"c":[{"name":"a","x":2},{"name":"b","x":1}]}}`},
		{"all elements must not exist", test(all, `'spec.c[name: *]'`, "MustNotExist", "1"), without, `{"spec":{"c":[{"name":"a"}]}}`},
		{"a whole element must exist, does not", test(whole, whole, "MustExist", "{name: a}"), missing, `{"spec":{"c":[]}}`},
		{"a whole element must exist, does", test(whole, whole, "MustExist", "{name: a}"), there, `{"spec":{"c":[{"name":"a"}]}}`},
		{"a whole element must not exist, does", test(whole, whole, "MustNotExist", "{name: a}"), there, `{"spec":{"c":[{"name":"a","x":2}]}}`},
		{"a whole element must not exist, does not", test(whole, whole, "MustNotExist", "{name: a}"), missing, `{"spec":{"c":[{"name":"a"}]}}`},
		{"of no path", test("spec.a", `""`, "MustNotExist", "1"), `{}`, `{"spec":{"a":1}}`},
		{"spelt otherwise", test(one, `"spec . c [ 'name' : \"a\" ]"`, "MustExist", "1"), without, `{"spec":{"c":[{"name":"a","x":1}]}}`},
	})
}

func TestWhatIsMadeIsNotShared(t *testing.T) {
	m := mutator(t, spec("Assign", "m", `location: 'spec.c[name: *].x', parameters: {assign: {value: {a: [1]}}}`))
	obj := thing(t, `spec: {c: [{name: a}, {name: b}]}`)
	if err := m.Mutate(t.Context(), create(), obj); err != nil {
		t.Fatal(err)
	}
	first := obj.Object["spec"].(map[string]any)["c"].([]any)[0].(map[string]any)
	first["x"].(map[string]any)["a"].([]any)[0] = int64(2)
	if got := rest(t, obj); got != `{"spec":{"c":[{"name":"a","x":{"a":[2]}},{"name":"b","x":{"a":[1]}}]}}` {
		t.Error(got)
	}
	if m.setter.(assigned).value.constant.(map[string]any)["a"].([]any)[0] != int64(1) {
		t.Error("the mutator's own value has changed")
	}
}

func TestWhatIsWrittenIsBounded(t *testing.T) {
	value := strings.Repeat("x", 1<<20)
	m := mutator(t, spec("Assign", "m", `location: 'spec.c[name: *].x', parameters: {assign: {value: `+value+`}}`))
	obj := thing(t, `spec: {c: [`+strings.Repeat("{name: a}, ", 8)+`]}`)
	err := m.Mutate(t.Context(), create(), obj)
	if err == nil || err.Error() != "Assign/m cannot be applied: it would write more than 8 MiB into the object, which could not be stored then" {
		t.Errorf("%.200v", err)
	}
}

func TestApplyTo(t *testing.T) {
	m := mutator(t, `
apiVersion: mutations.gatekeeper.sh/v1alpha1
kind: Assign
metadata: {name: m}
spec:
  applyTo:
  - {groups: [apps, ""], versions: [v1], kinds: [Thing, Other], operations: [CREATE]}
  - {groups: [batch], versions: [v1, v1beta1], kinds: [Thing]}
  location: spec.a
  parameters: {assign: {value: 1}}`)
	for _, c := range []struct {
		version, kind, verb string
		want                bool
	}{
		{"v1", "Thing", "create", true},
		{"apps/v1", "Other", "create", true},
		{"v1", "Thing", "update", false}, // kind and operation are those of one element
		{"v1", "Thing", "", true},        // of no request
		{"batch/v1beta1", "Thing", "update", true},
		{"batch/v1", "Other", "update", false},
		{"apps/v1beta1", "Thing", "create", false},
		{"v1", "thing", "create", false},
	} {
		obj := thing(t, `{}`)
		obj.SetAPIVersion(c.version)
		obj.SetKind(c.kind)
		req := create()
		req.Verb = c.verb
		if err := m.Mutate(t.Context(), req, obj); err != nil || (obj.Object["spec"] != nil) != c.want {
			t.Errorf("%+v: %v %v", c, obj.Object, err)
		}
	}
	got := m.Targets()
	if len(got) != 6 || got[0].String() != "apps/v1, Kind=Thing" || got[5].String() != "batch/v1beta1, Kind=Thing" {
		t.Error(got)
	}
}

func TestNamespaceOfANamespace(t *testing.T) {
	m := mutator(t, spec("AssignMetadata", "m", `location: metadata.labels.in, parameters: {assign: {fromMetadata: {field: namespace}}}`))
	req := create()
	req.Target = review.Target{Resource: "namespaces", Namespace: "n", Name: "n"}
	obj := thing(t, `{}`)
	if err := m.Mutate(t.Context(), req, obj); err != nil || rest(t, obj) != `{"metadata":{"labels":{"in":""}}}` {
		t.Errorf("%s %v", rest(t, obj), err)
	}
}
