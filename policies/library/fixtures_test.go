package library

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"

	"github.com/portcullis-dev/portcullis/policies/language"
)

func source(t testing.TB, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A policy has nothing to say about any document of its allow.yaml, and something about each of deny.yaml: a finding, or an edit for
// those that mutate. Those that grant access or know users do so for the documents of allow.yaml, and not for those of
// deny.yaml. The documents are judged with the parameters of the first example of the schema, over its defaults. A Namespace is
// the one the other documents are in, and judged itself only where the policy is about namespaces. Documents of the kinds that the policy
// declares as data are what it sees of the cluster, and likewise judged only where it is about them.
func TestFixtures(t *testing.T) {
	for _, p := range policies(t) {
		t.Run(p.name, func(t *testing.T) {
			positive := p.gives()
			for _, fixture := range []string{"allow.yaml", "deny.yaml"} {
				want := (fixture == "deny.yaml") != positive
				documents := documents(t, path.Join(path.Dir(File(p.name)), fixture))
				speaks := speaker(t, p, cluster(documents, p.said.Data))
				judged := 0
				for i, document := range documents {
					if p.seesOnly(document) {
						continue
					}
					judged++
					input := question(t, document, namespaces(documents))
					input["parameters"] = p.said.parameters()
					said := slices.DeleteFunc(speaks(input), func(one any) bool { return idle(one, input) })
					if (len(said) > 0) != want {
						t.Errorf("%s, document %d: the policy says %v", fixture, i+1, said)
					}
				}
				if judged == 0 {
					t.Errorf("%s: nothing to judge", fixture)
				}
			}
		})
	}
}

// seesOnly tells whether a document is there for the policy to see, and not to be judged.
func (p policy) seesOnly(document map[string]any) bool {
	resource := resourceOf(document).GroupResource().String()
	seen := document["kind"] == "Namespace" || slices.Contains(p.said.Data, resource)
	return seen && !slices.Contains(p.said.Match.Resources, resource)
}

func resourceOf(document map[string]any) schema.GroupVersionResource {
	resource, _ := meta.UnsafeGuessKindToResource(schema.FromAPIVersionAndKind(fmt.Sprint(document["apiVersion"]), fmt.Sprint(document["kind"])))
	return resource
}

// cluster is data.kubernetes with the documents of some kinds.
func cluster(documents []map[string]any, kinds []string) map[string]any {
	out := map[string]any{}
	for _, kind := range kinds {
		out[kind] = map[string]any{}
	}
	for _, document := range documents {
		namespaces, ok := out[resourceOf(document).GroupResource().String()].(map[string]any)
		if !ok {
			continue
		}
		about := document["metadata"].(map[string]any)
		namespace := about["namespace"].(string)
		if namespaces[namespace] == nil {
			namespaces[namespace] = map[string]any{}
		}
		namespaces[namespace].(map[string]any)[about["name"].(string)] = document
	}
	return out
}

// speaker prepares a policy; what it returns is everything the policy says about an input, given what it sees of the cluster.
func speaker(t testing.TB, p policy, cluster map[string]any) func(input map[string]any) []any {
	t.Helper()
	query, err := rego.New(append(helpers(t),
		rego.Query("x := data.portcullis.library."+p.name), rego.ParsedModule(p.module),
		rego.Capabilities(language.Capabilities()), rego.Store(inmem.NewFromObject(map[string]any{"kubernetes": cluster})),
		// As the engine takes errors: of a rule that gives something, what failed gives nothing, and any other has failed itself.
		rego.StrictBuiltinErrors(!p.gives()),
	)...).PrepareForEval(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return func(input map[string]any) []any {
		results, err := query.Eval(t.Context(), rego.EvalInput(input), rego.EvalRuleIndexing(false))
		if err != nil || len(results) != 1 {
			text, _ := json.Marshal(input)
			t.Errorf("%s: %d results, %v, of %s", p.name, len(results), err, text)
			return nil
		}
		rules := results[0].Bindings["x"].(map[string]any)
		var said []any
		for _, rule := range []string{"deny", "warn", "mutate", "allow"} {
			if found, ok := rules[rule]; ok {
				said = append(said, found.([]any)...)
			}
		}
		if user, ok := rules["user"]; ok {
			said = append(said, user)
		}
		for _, one := range said {
			wellFormed(t, one)
		}
		return said
	}
}

// helpers are the packages that policies may import.
func helpers(t testing.TB) (out []func(*rego.Rego)) {
	t.Helper()
	all := modules(t)
	for _, file := range Helpers() {
		out = append(out, rego.ParsedModule(all[file]))
	}
	return out
}

// wellFormed knows what a finding, an edit and a user look like.
func wellFormed(t testing.TB, said any) {
	t.Helper()
	object, ok := said.(map[string]any)
	if !ok {
		if text, ok := said.(string); !ok || text == "" {
			t.Errorf("%v is neither a text nor an object", said)
		}
		return
	}
	known := [][]string{{"message", "field"}, {"default", "value"}, {"set", "value"}, {"append", "value"}, {"remove"}, {"username", "uid", "groups", "extra", "audiences"}}
	if !slices.ContainsFunc(known, func(keys []string) bool {
		for _, key := range keys {
			if _, ok := object[key]; !ok {
				return false
			}
		}
		return len(object) == len(keys)
	}) {
		t.Errorf("%v is neither a finding, an edit nor a user", said)
	}
}

// idle tells whether what a policy says is an edit that changes nothing, because what it would set is there.
func idle(said any, input map[string]any) bool {
	edit, ok := said.(map[string]any)
	if !ok {
		return false
	}
	segments, byDefault := edit["default"].([]any)
	if !byDefault {
		if segments, ok = edit["set"].([]any); !ok {
			return false
		}
	}
	at := input["request"].(map[string]any)["object"]
	for _, segment := range segments {
		switch in := at.(type) {
		case map[string]any:
			at = in[segment.(string)]
		case []any: // the segment tells which member, by its name
			i := slices.IndexFunc(in, func(member any) bool { return member.(map[string]any)["name"] == segment.(map[string]any)["name"] })
			at = in[i]
		default:
			return false
		}
	}
	if !byDefault {
		return reflect.DeepEqual(at, edit["value"])
	}
	return at != nil
}

func documents(t testing.TB, file string) []map[string]any {
	t.Helper()
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(source(t, file))))
	var out []map[string]any
	for {
		text, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return out
		}
		var document map[string]any
		if err == nil {
			text, err = utilyaml.ToJSON(text)
		}
		if err == nil {
			err = json.Unmarshal(text, &document)
		}
		if err != nil || document["kind"] == nil {
			t.Fatalf("%s, document %d: %v, kind %v", file, len(out)+1, err, document["kind"])
		}
		out = append(out, document)
	}
}

func namespaces(documents []map[string]any) map[string]any {
	out := map[string]any{}
	for _, document := range documents {
		if document["kind"] == "Namespace" {
			out[document["metadata"].(map[string]any)["name"].(string)] = document
		}
	}
	return out
}

// question is a document as the API server would ask about it: itself when it is a review, or else an AdmissionReview of its creation.
func question(t testing.TB, document map[string]any, namespaces map[string]any) map[string]any {
	t.Helper()
	version, kind := fmt.Sprint(document["apiVersion"]), fmt.Sprint(document["kind"])
	if strings.HasSuffix(kind, "Review") {
		spec, _ := document["spec"].(map[string]any)
		attributes, _ := spec["resourceAttributes"].(map[string]any)
		if name, ok := attributes["namespace"].(string); ok {
			if namespace, ok := namespaces[name]; ok {
				document["namespace"] = namespace
			}
		}
		return document
	}
	gvk := schema.FromAPIVersionAndKind(version, kind)
	resource, _ := meta.UnsafeGuessKindToResource(gvk)
	metadata := document["metadata"].(map[string]any)
	request := map[string]any{
		"uid":       "3c0a4f0c-6a2e-4a0e-9d0e-5b9d3c1a7f10",
		"kind":      map[string]any{"group": gvk.Group, "version": gvk.Version, "kind": gvk.Kind},
		"resource":  map[string]any{"group": resource.Group, "version": resource.Version, "resource": resource.Resource},
		"name":      metadata["name"],
		"operation": "CREATE",
		"userInfo":  map[string]any{"username": "kubernetes-admin"},
		"object":    document,
		"oldObject": nil,
	}
	input := map[string]any{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
	if name, ok := metadata["namespace"].(string); ok {
		request["namespace"] = name
		if namespace, ok := namespaces[name]; ok {
			input["namespace"] = namespace
		}
	}
	return input
}

// Kubernetes leaves out what is empty, and writes null for what is absent. No policy may take either for an error, nor make
// something of nothing that was not judged.
func TestNoPolicyErrsOnStrangeInput(t *testing.T) {
	strange := []string{
		`{}`,
		`{"request": null, "spec": null}`,
		`{"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": null, "oldObject": null}}`,
		`{"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"metadata": null, "spec": null}}}`,
		`{"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"metadata": 1, "spec": [1]}}}`,
		`{"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"spec": {"containers": {"a": 1}, "volumes": "x", "securityContext": 7, "resources": []}}}}`,
		`{"request": {"operation": "UPDATE", "kind": {"kind": "Pod"}, "object": {"spec": {"containers": [null, 1, "x", [], {"name": 7, "image": {}, "resources": 1, "securityContext": []}]}}, "oldObject": []}}`,
		`{"request": {"operation": "UPDATE", "kind": {"kind": "Pod"}, "object": {"spec": {"containers": [{"securityContext": {"capabilities": {"add": [7, null], "drop": "ALL"}}}]}}, "oldObject": {"metadata": "x"}}}`,
		`{"request": {"operation": "DELETE", "kind": null, "object": null, "oldObject": {"metadata": {"annotations": {"portcullis.dev/protected": 1}}}}}`,
		`{"spec": {"resourceAttributes": null, "user": 7, "groups": "x"}}`,
		`{"spec": {"containers": [{"image": null}, {}, 1]}}`,
		`{"spec": {"token": 7, "audiences": null}}`,
		`{"spec": {"token": "a.b.c", "audiences": "x"}}`,
	}
	for _, p := range policies(t) {
		speaks := speaker(t, p, nil)
		for _, text := range strange {
			var input map[string]any
			if err := json.Unmarshal([]byte(text), &input); err != nil {
				t.Fatal(err)
			}
			input["parameters"] = p.said.parameters()
			speaks(input) // fails the test on an error
		}
	}
}

// The policies that see every pod; what one costs is mostly the helper package.
func BenchmarkPods(b *testing.B) {
	input := map[string]any{}
	err := json.Unmarshal([]byte(`{"request": {"operation": "CREATE", "kind": {"kind": "Deployment"}, "namespace": "shop", "object": {
		"metadata": {"name": "app", "labels": {"team": "shop", "cost-center": "1234"}},
		"spec": {"template": {"spec": {
			"initContainers": [{"name": "setup", "image": "registry.example.com/setup:1"}],
			"containers": [
				{"name": "app", "image": "registry.example.com/app:1", "securityContext": {"runAsNonRoot": true}},
				{"name": "proxy", "image": "registry.example.com/proxy:1", "securityContext": {"runAsNonRoot": true}}],
			"volumes": [{"name": "tmp", "emptyDir": {}}]}}}}}}`), &input)
	if err != nil {
		b.Fatal(err)
	}
	t := &testing.T{}
	for _, p := range policies(t) {
		if !slices.Contains(p.said.stages(), "admission") {
			continue
		}
		input["parameters"] = p.said.parameters()
		parsed, err := ast.InterfaceToValue(input)
		if err != nil {
			b.Fatal(err)
		}
		query, err := rego.New(append(helpers(t),
			rego.Query("data.portcullis.library."+p.name), rego.ParsedModule(p.module), rego.Capabilities(language.Capabilities()),
		)...).PrepareForEval(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		b.Run(p.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := query.Eval(b.Context(), rego.EvalParsedInput(parsed)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
