package gatekeeper

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

func TestRead(t *testing.T) {
	for _, version := range []string{"v1", "v1beta1", "v1alpha1"} {
		for _, kind := range Kinds() {
			text := map[string]string{
				"Assign":         `location: spec.a, parameters: {assign: {value: 1}}`,
				"AssignImage":    `location: spec.a, parameters: {assignTag: ":v1"}`,
				"AssignMetadata": `location: metadata.labels.a, parameters: {assign: {value: x}}`,
				"ModifySet":      `location: spec.a, parameters: {values: {fromList: [1]}}`,
			}[kind]
			text = strings.Replace(spec(kind, "m", text), Group+"/v1", Group+"/"+version, 1) + "\nstatus: {byPod: []}"
			m := mutator(t, text)
			if m.ID() != (ID{kind, "m"}) || m.Name() != kind+"/m" || m.at != "m.yaml:" {
				t.Errorf("%+v at %s", m.ID(), m.at)
			}
		}
	}
}

// Each of these is one line for whoever wrote the document: where, which mutator, which field, what is wrong, and what to do.
func TestMistakes(t *testing.T) {
	const to = `applyTo: [{groups: [""], versions: [v1], kinds: [Pod]}], `
	for _, c := range []struct{ kind, spec, want string }{
		{"Assign", `location: spec.a, parameters: {assign: {value: 1}}`, `spec/applyTo: Assign m: spec.applyTo: it is missing; name the groups, versions and kinds of the objects to be changed`},
		{"Assign", `applyTo: [], location: spec.a, parameters: {assign: {value: 1}}`, `spec/applyTo: Assign m: spec.applyTo: it is missing; name the groups, versions and kinds of the objects to be changed`},
		{"Assign", `applyTo: {}, location: spec.a, parameters: {assign: {value: 1}}`, `spec/applyTo: Assign m: spec.applyTo: a list should stand here, not an object`},
		{"Assign", `applyTo: [x], location: spec.a, parameters: {assign: {value: 1}}`, `spec/applyTo/0: Assign m: spec.applyTo[0]: an object should stand here, not a string`},
		{"Assign", `applyTo: [{groups: [""], versions: [v1]}], location: spec.a, parameters: {assign: {value: 1}}`, `spec/applyTo/0/kinds: Assign m: spec.applyTo[0].kinds: it is empty; an element of applyTo names at least one group, which may be "", one version and one kind`},
		{"Assign", `applyTo: [{groups: [1], versions: [v1], kinds: [Pod]}], location: spec.a, parameters: {assign: {value: 1}}`, `spec/applyTo/0/groups/0: Assign m: spec.applyTo[0].groups[0]: a string should stand here, not a number`},
		{"Assign", `applyTo: [{groups: ["*"], versions: ["*"], kinds: ["*"]}], location: spec.a, parameters: {assign: {value: 1}}`, `spec/applyTo: Assign m: spec.applyTo: "*" is no wildcard here, so that the mutator would never apply; name groups, versions and kinds`},
		{"Assign", `applyTo: [{groups: [""], versions: [v1], kinds: [Pod], operations: [PATCH]}], location: spec.a, parameters: {assign: {value: 1}}`, `spec/applyTo/0/operations: Assign m: spec.applyTo[0].operations: "PATCH" is no operation; there are CREATE, UPDATE, DELETE and CONNECT`},
		{"Assign", `applyTo: [{group: [""]}], location: spec.a, parameters: {assign: {value: 1}}`, `spec/applyTo/0/group: Assign m: spec.applyTo[0].group: there is no such field; those here are groups, kinds, operations and versions`},

		{"Assign", to + `parameters: {assign: {value: 1}}`, `spec/location: Assign m: spec.location: it is missing; write the path to what is to be changed, as spec.replicas`},
		{"Assign", to + `location: "", parameters: {assign: {value: 1}}`, `spec/location: Assign m: spec.location: it is missing; write the path to what is to be changed, as spec.replicas`},
		{"Assign", to + `location: [spec], parameters: {assign: {value: 1}}`, `spec/location: Assign m: spec.location: a string should stand here, not a list`},
		{"Assign", to + `location: spec..a, parameters: {assign: {value: 1}}`, `spec/location: Assign m: spec.location: column 6: a name should stand here, not "."`},
		{"Assign", to + `location: metadata.labels.a, parameters: {assign: {value: x}}`, `spec/location: Assign m: spec.location: Assign cannot change metadata; labels and annotations are added by AssignMetadata`},
		{"Assign", to + `location: "'metadata'", parameters: {assign: {value: x}}`, `spec/location: Assign m: spec.location: Assign cannot change metadata; labels and annotations are added by AssignMetadata`},
		{"Assign", to + `location: status.phase, parameters: {assign: {value: x}}`, `spec/location: Assign m: spec.location: no mutator may change status`},
		{"Assign", to + `location: kind, parameters: {assign: {value: x}}`, `spec/location: Assign m: spec.location: no mutator may change kind`},
		{"Assign", to + `location: 'spec.c[name: *].name', parameters: {assign: {value: x}}`, `spec/location: Assign m: spec.location: spec.c[name: *].name is the key by which the elements are found, and cannot be changed`},
		{"Assign", to + `location: 'spec.c[name: *]', parameters: {assign: {value: {name: a}}}`, `spec/location: Assign m: spec.location: it ends with all elements of a list; name the one that is to be set`},
		{"Assign", to + `location: 'spec.c[name: a]', parameters: {assign: {value: x}}`, `spec/parameters/assign/value: Assign m: spec.parameters.assign.value: an object, which an element with a key is, should stand here, not a string`},
		{"Assign", to + `location: 'spec.c[name: a]', parameters: {assign: {value: {name: b}}}`, `spec/parameters/assign/value: Assign m: spec.parameters.assign.value: its name must be that of spec.c[name: a]`},
		{"Assign", to + `location: 'spec.p[port: 80]', parameters: {assign: {value: {port: "80"}}}`, `spec/parameters/assign/value: Assign m: spec.parameters.assign.value: its port must be that of spec.p[port: 80]`},
		{"Assign", to + `location: 'spec.c[name: a]', parameters: {assign: {fromMetadata: {field: name}}}`, `spec/parameters/assign: Assign m: spec.parameters.assign: a text cannot be an element of the list at spec.c, whose elements are objects`},

		{"Assign", to + `location: spec.a`, `spec/parameters/assign: Assign m: spec.parameters.assign: give one of value, fromMetadata and externalData`},
		{"Assign", to + `location: spec.a, parameters: {assign: {value: null}}`, `spec/parameters/assign: Assign m: spec.parameters.assign: give one of value, fromMetadata and externalData`},
		{"Assign", to + `location: spec.a, parameters: {assign: {value: 1, fromMetadata: {field: name}}}`, `spec/parameters/assign: Assign m: spec.parameters.assign: give one of value, fromMetadata and externalData`},
		{"Assign", to + `location: spec.a, parameters: {assign: {fromMetadata: {field: uid}}}`, `spec/parameters/assign/fromMetadata/field: Assign m: spec.parameters.assign.fromMetadata.field: "uid" cannot be assigned; there are name and namespace`},
		{"Assign", to + `location: spec.a, parameters: {assign: {fromMetadata: {name: x}}}`, `spec/parameters/assign/fromMetadata/name: Assign m: spec.parameters.assign.fromMetadata.name: there is no such field; the only one here is field`},
		{"Assign", to + `location: spec.a, parameters: {assign: {externalData: {}}}`, `spec/parameters/assign/externalData/provider: Assign m: spec.parameters.assign.externalData.provider: it is missing; name the Provider that knows the value`},
		{"Assign", to + `location: spec.a, parameters: {assign: {externalData: {provider: 1}}}`, `spec/parameters/assign/externalData/provider: Assign m: spec.parameters.assign.externalData.provider: a string should stand here, not a number`},
		{"Assign", to + `location: spec.a, parameters: {assign: {externalData: []}}`, `spec/parameters/assign/externalData: Assign m: spec.parameters.assign.externalData: an object should stand here, not a list`},
		{"Assign", to + `location: spec.a, parameters: {assign: {externalData: {provider: p, keys: x}}}`, `spec/parameters/assign/externalData/keys: Assign m: spec.parameters.assign.externalData.keys: there is no such field; those here are dataSource, default, failurePolicy and provider`},
		{"Assign", to + `location: spec.a, parameters: {assign: {externalData: {provider: p, dataSource: Password}}}`, `spec/parameters/assign/externalData/dataSource: Assign m: spec.parameters.assign.externalData.dataSource: "Password" is no source; there are ValueAtLocation, which is the default, and Username`},
		{"Assign", to + `location: spec.a, parameters: {assign: {externalData: {provider: p, failurePolicy: fail}}}`, `spec/parameters/assign/externalData/failurePolicy: Assign m: spec.parameters.assign.externalData.failurePolicy: "fail" is none of Fail, Ignore and UseDefault`},
		{"Assign", to + `location: spec.a, parameters: {assign: {externalData: {provider: p, failurePolicy: UseDefault}}}`, `spec/parameters/assign/externalData/default: Assign m: spec.parameters.assign.externalData.default: it is missing; it is what is assigned if the Provider has no answer`},
		{"AssignMetadata", `location: metadata.labels.a, parameters: {assign: {externalData: {provider: ""}}}`, `spec/parameters/assign/externalData/provider: AssignMetadata m: spec.parameters.assign.externalData.provider: it is missing; name the Provider that knows the value`},
		{"Assign", to + `location: spec.a, parameters: {assign: {value: x, externalData: {provider: p}}}`, `spec/parameters/assign: Assign m: spec.parameters.assign: give one of value, fromMetadata and externalData`},
		{"Assign", to + `location: "spec.a[name: b]", parameters: {assign: {externalData: {provider: p}}}`, `spec/parameters/assign: Assign m: spec.parameters.assign: a text cannot be an element of the list at spec.a, whose elements are objects`},
		{"Assign", to + `location: spec.a, parameters: {assigns: {value: 1}}`, `spec/parameters/assigns: Assign m: spec.parameters.assigns: there is no such field; those here are assign and pathTests`},
		{"Assign", to + `location: spec.a, parameters: {assign: {value: ` + strings.Repeat("[", 257) + strings.Repeat("]", 257) + `}}`, `spec/parameters/assign/value: Assign m: spec.parameters.assign.value: it nests deeper than 256 levels`},
		{"Assign", to + `location: spec.a, parameter: {}`, `spec/parameter: Assign m: spec.parameter: there is no such field; those here are applyTo, location, match and parameters`},

		{"Assign", to + `location: spec.a, parameters: {assign: {value: 1}, pathTests: [{subPath: spec.b, condition: MustExist}]}`, `spec/parameters/pathTests/0/subPath: Assign m: spec.parameters.pathTests[0].subPath: spec.b is no beginning of the location spec.a; only what lies on its way can be tested`},
		{"Assign", to + `location: spec.a, parameters: {assign: {value: 1}, pathTests: [{subPath: spec.a.b, condition: MustExist}]}`, `spec/parameters/pathTests/0/subPath: Assign m: spec.parameters.pathTests[0].subPath: spec.a.b is no beginning of the location spec.a; only what lies on its way can be tested`},
		{"Assign", to + `location: spec.a, parameters: {assign: {value: 1}, pathTests: [{subPath: "spec.", condition: MustExist}]}`, `spec/parameters/pathTests/0/subPath: Assign m: spec.parameters.pathTests[0].subPath: column 6: a name should stand here, not the end of the path`},
		{"Assign", to + `location: spec.a, parameters: {assign: {value: 1}, pathTests: [{subPath: spec.a}]}`, `spec/parameters/pathTests/0/condition: Assign m: spec.parameters.pathTests[0].condition: "" is no condition; there are MustExist and MustNotExist`},
		{"Assign", to + `location: spec.a, parameters: {assign: {value: 1}, pathTests: [{subPath: spec.a, condition: MustExist}, {subPath: spec.a, condition: MustNotExist}]}`, `spec/parameters/pathTests/1: Assign m: spec.parameters.pathTests[1]: spec.a both must and must not exist, so that the mutator would never do anything`},
		{"Assign", to + `location: spec.a.b, parameters: {assign: {value: 1}, pathTests: [{subPath: spec.a.b, condition: MustExist}, {subPath: spec, condition: MustNotExist}]}`, `spec/parameters/pathTests: Assign m: spec.parameters.pathTests: spec.a.b must exist in spec, which must not, so that the mutator would never do anything`},

		{"AssignMetadata", `applyTo: [], location: metadata.labels.a, parameters: {assign: {value: x}}`, `spec/applyTo: AssignMetadata m: spec.applyTo: there is no such field; those here are location, match and parameters`},
		{"AssignMetadata", `location: metadata.labels, parameters: {assign: {value: x}}`, `spec/location: AssignMetadata m: spec.location: it must be metadata.labels or metadata.annotations and the name of one of them`},
		{"AssignMetadata", `location: metadata.labels.a.b, parameters: {assign: {value: x}}`, `spec/location: AssignMetadata m: spec.location: it must be metadata.labels or metadata.annotations and the name of one of them`},
		{"AssignMetadata", `location: 'metadata.labels[name: x]', parameters: {assign: {value: x}}`, `spec/location: AssignMetadata m: spec.location: it must be metadata.labels or metadata.annotations and the name of one of them`},
		{"AssignMetadata", `location: metadata.finalizers.a, parameters: {assign: {value: x}}`, `spec/location: AssignMetadata m: spec.location: it must be metadata.labels or metadata.annotations and the name of one of them`},
		{"AssignMetadata", `location: spec.labels.a, parameters: {assign: {value: x}}`, `spec/location: AssignMetadata m: spec.location: it must be metadata.labels or metadata.annotations and the name of one of them`},
		{"AssignMetadata", `location: metadata.labels.a, parameters: {assign: {value: 1}}`, `spec/parameters/assign/value: AssignMetadata m: spec.parameters.assign.value: a string should stand here, not a number`},
		{"AssignMetadata", `location: metadata.labels.a, parameters: {assign: {value: x}, pathTests: []}`, `spec/parameters/pathTests: AssignMetadata m: spec.parameters.pathTests: there is no such field; the only one here is assign`},

		{"ModifySet", to + `location: 'spec.c[name: a]', parameters: {values: {fromList: [1]}}`, `spec/location: ModifySet m: spec.location: spec.c[name: a] is an element of a list; ModifySet changes a member of an object`},
		{"ModifySet", to + `location: metadata.finalizers, parameters: {values: {fromList: [a]}}`, `spec/location: ModifySet m: spec.location: ModifySet cannot change metadata; labels and annotations are added by AssignMetadata`},
		{"ModifySet", to + `location: spec.a, parameters: {operation: add, values: {fromList: [1]}}`, `spec/parameters/operation: ModifySet m: spec.parameters.operation: "add" is no operation; there are merge, which is the default, and prune`},
		{"ModifySet", to + `location: spec.a, parameters: {values: [1]}`, `spec/parameters/values: ModifySet m: spec.parameters.values: an object should stand here, not a list`},
		{"ModifySet", to + `location: spec.a, parameters: {values: {fromList: x}}`, `spec/parameters/values/fromList: ModifySet m: spec.parameters.values.fromList: a list should stand here, not a string`},

		{"AssignImage", to + `location: 'spec.c[name: a]', parameters: {assignTag: ":v1"}`, `spec/location: AssignImage m: spec.location: spec.c[name: a] is an element of a list; AssignImage changes a member of an object`},
		{"AssignImage", to + `location: spec.a`, `spec/parameters: AssignImage m: spec.parameters: give at least one of assignDomain, assignPath and assignTag`},
		{"AssignImage", to + `location: spec.a, parameters: {assignDomain: r}`, `spec/parameters/assignDomain: AssignImage m: spec.parameters.assignDomain: "r" is not a domain with a dot in it, or localhost, and maybe a port`},
		{"AssignImage", to + `location: spec.a, parameters: {assignPath: a//b}`, `spec/parameters/assignPath: AssignImage m: spec.parameters.assignPath: "a//b" is not a path of lower case letters and digits, with single separators between them`},
		{"AssignImage", to + `location: spec.a, parameters: {assignTag: v1}`, `spec/parameters/assignTag: AssignImage m: spec.parameters.assignTag: "v1" is not a tag that begins with a colon, or a digest that begins with @`},
		{"AssignImage", to + `location: spec.a, parameters: {assignPath: r.io/app}`, `spec/parameters/assignPath: AssignImage m: spec.parameters.assignPath: it begins with "r.io", which would be read as a domain; give assignDomain as well`},

		{"Assign", to + `match: [], location: spec.a, parameters: {assign: {value: 1}}`, `spec/match: Assign m: spec.match: an object should stand here, not a list`},
		{"Assign", to + `match: {bad: "namespaces: no"}, location: spec.a, parameters: {assign: {value: 1}}`, `spec/match: Assign m: spec.match: namespaces: no`},
	} {
		text := "apiVersion: " + Group + "/v1\nkind: " + c.kind + "\nmetadata: {name: m}\nspec: {" + c.spec + "}"
		if _, err := Read(document(t, text), whoever); err == nil || err.Error() != "m.yaml:"+c.want {
			t.Errorf("%s:\n got %v\nwant m.yaml:%s", c.spec, err, c.want)
		}
	}
}

func TestMistakesOutsideOfTheSpec(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`kind: Assign`, `m.yaml:apiVersion: Assign: apiVersion: "" is not known; the versions of mutations.gatekeeper.sh are v1, v1beta1 and v1alpha1`},
		{`{kind: Assign, metadata: {name: m}, apiVersion: v1}`, `m.yaml:apiVersion: Assign m: apiVersion: "v1" is not known; the versions of mutations.gatekeeper.sh are v1, v1beta1 and v1alpha1`},
		{`{kind: Assing, metadata: {name: m}, apiVersion: v1}`, `m.yaml:kind: Assing m: kind: "Assing" is no mutator; there are Assign, AssignImage, AssignMetadata and ModifySet`},
		{`{}`, `m.yaml:kind: mutator: kind: "" is no mutator; there are Assign, AssignImage, AssignMetadata and ModifySet`},
		{`{kind: Assign, apiVersion: mutations.gatekeeper.sh/v1}`, `m.yaml:metadata/name: Assign: metadata.name: it is missing`},
		{`{kind: Assign, apiVersion: mutations.gatekeeper.sh/v1, metadata: {name: 1}}`, `m.yaml:metadata/name: Assign: metadata.name: a string should stand here, not a number`},
		{`{kind: Assign, apiVersion: mutations.gatekeeper.sh/v1, metadata: {name: ` + strings.Repeat("m", 64) + `}}`, `m.yaml:metadata/name: Assign ` + strings.Repeat("m", 64) + `: metadata.name: it has 64 characters, and may have 63`},
		{`{kind: Assign, apiVersion: mutations.gatekeeper.sh/v1, metadata: {name: m}, data: {}}`, `m.yaml:data: Assign m: data: there is no such field; those here are apiVersion, kind, metadata, spec and status`},
		{`{kind: Assign, apiVersion: mutations.gatekeeper.sh/v1, metadata: {name: m}, spec: []}`, `m.yaml:spec: Assign m: spec: an object should stand here, not a list`},
		{`[]`, `m.yaml:: mutator: it cannot be read: json: cannot unmarshal array into Go value of type map[string]interface {}`},
	} {
		if _, err := Read(document(t, c.text), whoever); err == nil || err.Error() != c.want {
			t.Errorf("%s:\n got %v\nwant %s", c.text, err, c.want)
		}
	}
	many := `"` + strings.Repeat(`a", "`, 64) + `a"`
	text := spec("Assign", "m", `location: spec.a, parameters: {assign: {value: 1}}`)
	text = strings.Replace(text, `groups: [""], versions: [v1]`, `groups: [`+many+`], versions: [`+many+`]`, 1)
	if _, err := Read(document(t, text), whoever); err == nil || err.Error() != "m.yaml:spec/applyTo/0: Assign m: spec.applyTo[0]: all of applyTo names more than 4096 kinds of objects" {
		t.Error(err)
	}
}

func TestMatchThatIsNotMade(t *testing.T) {
	doc := document(t, spec("Assign", "m", `location: spec.a, parameters: {assign: {value: 1}}`))
	doc.At = nil
	given := ""
	_, err := Read(doc, func(match json.RawMessage) (Matcher, error) {
		given = string(match)
		return nil, nil
	})
	var wrong *Error
	if given != "{}" || !errors.As(err, &wrong) || err.Error() != "Assign m: spec.match: it cannot be read" {
		t.Errorf("%q %v", given, err)
	}
}

// FuzzRead reads any document: whatever is taken can be applied to any object without a panic, is at rest when it has been, and leaves
// alone what no mutator may change.
func FuzzRead(f *testing.F) {
	for _, text := range []string{
		spec("Assign", "m", `location: 'spec.c[name: a].x', parameters: {assign: {value: {a: [1]}}, pathTests: [{subPath: spec, condition: MustExist}]}`),
		spec("Assign", "m", `location: 'spec.c[name: a]', parameters: {assign: {value: {name: a}}}`),
		spec("AssignImage", "m", `location: 'spec.c[name: *].image', parameters: {assignDomain: r.io, assignPath: a/b, assignTag: ":v1"}`),
		spec("AssignMetadata", "m", `location: metadata.labels.x, parameters: {assign: {fromMetadata: {field: namespace}}}`),
		spec("Assign", "m", `location: 'spec.c[name: *].image', parameters: {assign: {externalData: {provider: p, failurePolicy: Ignore}}}`),
		spec("ModifySet", "m", `location: spec.l, parameters: {operation: prune, values: {fromList: [1, a]}}`),
	} {
		text, err := yaml.YAMLToJSON([]byte(text))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, []byte(`{"spec":{"c":[{"name":"a","image":"a:1"},{"name":"b","x":1}],"l":[1,"a",null]}}`))
	}
	f.Fuzz(func(t *testing.T, text, object []byte) {
		m, err := Read(Document{JSON: text}, whoever)
		if err != nil {
			return
		}
		var members map[string]any
		if err := yaml.Unmarshal(object, &members); err != nil {
			return
		}
		object, err = json.Marshal(members)
		if err != nil {
			return
		}
		obj, kept := decoded(t, object), decoded(t, object)
		set, errs := NewSet([]*Mutator{m})
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		if set.Mutate(t.Context(), create(), obj) != nil {
			return
		}
		again := obj.DeepCopy()
		if err := set.Mutate(t.Context(), create(), again); err != nil || rest(t, again) != rest(t, obj) {
			t.Errorf("%s makes %s of %s (%v)", text, rest(t, again), rest(t, obj), err)
		}
		for _, name := range []string{"apiVersion", "kind", "status"} {
			if spelt(t, obj.Object[name]) != spelt(t, kept.Object[name]) {
				t.Errorf("%s has changed %s", text, name)
			}
		}
	})
}
