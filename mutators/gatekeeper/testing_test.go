package gatekeeper

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"

	"github.com/portcullis-dev/portcullis/review"
)

// document reads YAML whose fields all stand in one row.
func document(t testing.TB, text string) Document {
	t.Helper()
	converted, err := yaml.YAMLToJSONStrict([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return Document{JSON: converted, At: func(path ...string) string { return "m.yaml:" + strings.Join(path, "/") }}
}

// whoever is the match of these tests: {only: web} is objects of that name, {error: why} cannot be told.
func whoever(text json.RawMessage) (Matcher, error) {
	var match struct{ Only, Error, Bad string }
	if err := json.Unmarshal(text, &match); err != nil {
		return nil, err
	}
	if match.Bad != "" {
		return nil, errors.New(match.Bad)
	}
	return MatcherFunc(func(_ *review.Request, obj *unstructured.Unstructured) (bool, error) {
		if match.Error != "" {
			return false, errors.New(match.Error)
		}
		return match.Only == "" || match.Only == obj.GetName(), nil
	}), nil
}

func mutator(t testing.TB, text string) *Mutator {
	t.Helper()
	m, err := Read(document(t, text), whoever)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return m
}

// spec writes a mutator of Things of v1 whose spec is the given YAML, in one line.
func spec(kind, name, spec string) string {
	if kind != "AssignMetadata" {
		spec = `applyTo: [{groups: [""], versions: [v1], kinds: [Thing]}], ` + spec
	}
	return fmt.Sprintf("apiVersion: %s/v1\nkind: %s\nmetadata: {name: %s}\nspec: {%s}", Group, kind, name, spec)
}

// thing makes an object of YAML.
func thing(t testing.TB, text string) *unstructured.Unstructured {
	t.Helper()
	converted, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	out := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Thing", "metadata": map[string]any{"name": "n"}}}
	var given unstructured.Unstructured
	if err := given.UnmarshalJSON([]byte(`{"kind":"Thing",` + string(converted[1:]))); err != nil && string(converted) != "{}" {
		t.Fatalf("%s: %v", converted, err)
	}
	maps.Copy(out.Object, given.Object)
	return out
}

// rest spells an object without what all of these tests have.
func rest(t testing.TB, obj *unstructured.Unstructured) string {
	t.Helper()
	obj = obj.DeepCopy()
	delete(obj.Object, "apiVersion")
	delete(obj.Object, "kind")
	unstructured.RemoveNestedField(obj.Object, "metadata", "name")
	if metadata, _ := obj.Object["metadata"].(map[string]any); len(metadata) == 0 {
		delete(obj.Object, "metadata")
	}
	text, err := json.Marshal(obj.Object)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func create() *review.Request {
	return &review.Request{Verb: "create", Stage: review.Mutate, Target: review.Target{Namespace: "prod", Resource: "things"}}
}

// row is a mutator's spec, an object, and what becomes of it: the object without apiVersion, kind and name, or an error.
type row struct{ name, spec, object, want string }

// applied checks what a kind of mutator makes of the objects, and that it makes nothing more of that.
func applied(t *testing.T, kind string, rows []row) {
	for _, c := range rows {
		t.Run(c.name, func(t *testing.T) {
			m, obj := mutator(t, spec(kind, "m", c.spec)), thing(t, c.object)
			got := ""
			if err := m.Mutate(t.Context(), create(), obj); err != nil {
				got = err.Error()
			} else {
				got = rest(t, obj)
				if err := m.Mutate(t.Context(), create(), obj); err != nil || rest(t, obj) != got {
					t.Errorf("applied again it makes %s of %s (%v)", rest(t, obj), got, err)
				}
			}
			if got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

func split(list string) []string { return strings.Split(list, "|") }

// decoded makes an object of JSON as a Chain does. null has no members.
func decoded(t testing.TB, text []byte) *unstructured.Unstructured {
	t.Helper()
	out := map[string]any{}
	if err := utiljson.Unmarshal(text, &out); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if out == nil {
		out = map[string]any{}
	}
	return &unstructured.Unstructured{Object: out}
}

func spelt(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
