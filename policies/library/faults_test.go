package library

import (
	"encoding/json"
	"maps"
	"path"
	"slices"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// misplaced are what stands where something else belongs: null, which Kubernetes writes for what is absent, and what only custom resources and
// mistakes have.
func misplaced() []any { return []any{nil, 7.0, "x", true, []any{}, map[string]any{}, []any{nil, "x"}} }

// What is judged has null, or what does not belong there, at every place of the fixtures, and null at every place besides that has a name which
// the policy speaks of. No policy may take that for an error: it would stop requests that are none of its business.
func TestNoPolicyErrsWhateverStandsInItsPlace(t *testing.T) {
	for _, p := range policies(t) {
		t.Run(p.name, func(t *testing.T) {
			names := spoken(p.module)
			for _, fixture := range []string{"allow.yaml", "deny.yaml"} {
				documents := documents(t, path.Join(path.Dir(File(p.name)), fixture))
				speaks := speaker(t, p, cluster(documents, p.said.Data))
				for _, document := range documents {
					if p.seesOnly(document) {
						continue
					}
					input := question(t, document, namespaces(documents))
					input["parameters"] = p.said.parameters()
					request, ok := input["request"].(map[string]any)
					if !ok { // the API server writes these itself
						withOthers(input["spec"], names, []any{nil}, func() { speaks(input) })
						continue
					}
					for _, operation := range p.said.operations() {
						request["operation"] = operation
						request["oldObject"] = nil
						if operation != "CREATE" {
							request["oldObject"] = copied(t, request["object"])
						}
						withOthers(request["object"], names, misplaced(), func() { speaks(input) })
						withOthers(request["oldObject"], names, misplaced(), func() { speaks(input) })
					}
				}
			}
		})
	}
}

func copied(t testing.TB, value any) (out any) {
	t.Helper()
	text, err := json.Marshal(value)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// spoken are the texts of a policy that could be names of members.
func spoken(module *ast.Module) []string {
	names := map[string]bool{}
	for _, rule := range module.Rules {
		ast.WalkTerms(rule, func(term *ast.Term) bool {
			if text, ok := term.Value.(ast.String); ok && len(text) < 40 {
				names[string(text)] = true
			}
			return false
		})
	}
	return slices.Sorted(maps.Keys(names))
}

// withOthers has then called for each way in which one thing at or below a place is another.
func withOthers(in any, names []string, others []any, then func()) {
	switch in := in.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(in)) {
			was := in[name]
			for _, other := range others {
				in[name] = other
				then()
			}
			in[name] = was
			withOthers(was, names, others, then)
		}
		for _, name := range names {
			if _, there := in[name]; !there {
				in[name] = nil
				then()
				delete(in, name)
			}
		}
	case []any:
		for i := range in {
			was := in[i]
			for _, other := range others {
				in[i] = other
				then()
			}
			in[i] = was
			withOthers(was, names, others, then)
		}
	}
}

// A parameter that the loader takes may not be an error of every request from then on. Whatever is a text is one that is neither a glob, a
// regular expression nor anything else that has a form.
func TestNoParameterErrsThatLoads(t *testing.T) {
	for _, p := range policies(t) {
		if p.said.Parameters == nil {
			continue
		}
		var fixtures [][]map[string]any
		var speakers []func(map[string]any) []any
		for _, fixture := range []string{"allow.yaml", "deny.yaml"} {
			documents := documents(t, path.Join(path.Dir(File(p.name)), fixture))
			fixtures, speakers = append(fixtures, documents), append(speakers, speaker(t, p, cluster(documents, p.said.Data)))
		}
		for _, text := range []string{"v[0-9", "{a", "(a", "\\", "", "*", "9Zi", "2024-13-45T99:00:00Z", "Nowhere/Land"} {
			for name, property := range p.said.Parameters.Properties {
				given := p.said.parameters()
				like := given[name]
				if examples := p.said.Parameters.Examples; like == nil && len(examples) > 0 {
					like = examples[0][name]
				}
				for _, value := range withText(property, copied(t, like), text) {
					given[name] = value
					if _, faults := load(t, p.name, string(marshalled(t, given))); len(faults) > 0 {
						continue
					}
					for i, documents := range fixtures {
						speaks := speakers[i]
						for _, document := range documents {
							if p.seesOnly(document) {
								continue
							}
							input := question(t, document, namespaces(documents))
							input["parameters"] = given
							speaks(input)
						}
					}
					if t.Failed() {
						t.Fatalf("%s takes the parameter %s as %v", p.name, name, value)
					}
				}
			}
		}
	}
}

func marshalled(t testing.TB, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// withText are values of a schema, like the given one, each with the text in another place.
func withText(s *jsonSchema, like any, text string) (out []any) {
	switch {
	case s == nil:
	case s.Type == "string":
		out = append(out, text)
	case s.Type == "array":
		var first any
		if list, ok := like.([]any); ok && len(list) > 0 {
			first = list[0]
		}
		for _, item := range withText(s.Items, first, text) {
			out = append(out, []any{item})
		}
	case s.Type == "object":
		members, _ := like.(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
			for _, value := range withText(s.Properties[name], members[name], text) {
				object := maps.Clone(members)
				if object == nil {
					object = map[string]any{}
				}
				object[name] = value
				out = append(out, object)
			}
		}
		if further, ok := s.AdditionalProperties.(map[string]any); ok && further["type"] == "string" {
			out = append(out, map[string]any{"memory": text}, map[string]any{text: "1"})
			for _, key := range slices.Sorted(maps.Keys(members)) {
				out = append(out, map[string]any{key: text})
			}
		}
	}
	return out
}
