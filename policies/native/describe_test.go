package native

import (
	"encoding/json"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
)

const manifold = `# METADATA
# title: Of many parameters
# description: >-
#   All that a policy
#   may say.
# related_resources:
# - ref: https://example.com/a
#   description: A text
# custom:
#   portcullis:
#     severity: high
#     controls: [pss/baseline]
#     enforcement: warn
#     data: [services]
#     match:
#       resources: [pods, "apps/*"]
#       operations: [CREATE, DELETE]
#       excludeNamespaces: [kube-*, dev]
#       namespaceLabels: {matchLabels: {team: shop}}
#     parameters:
#       type: object
#       additionalProperties: false
#       required: [rules]
#       properties:
#         rules:
#           description: What must be so.
#           type: array
#           minItems: 1
#           items:
#             type: object
#             required: [key]
#             properties:
#               key: {type: string, pattern: "^[a-z|]+$", description: The key.}
#               "y": {type: string, default: "no"}
#         by: {type: object, additionalProperties: {type: integer}, default: {}}
#         level: {enum: [a, b], default: a}
#         most: {type: [integer, "null"], minimum: 1, maximum: 9007199254740993, default: 3}
#         version: {type: string, default: latest}
#         whatever: {default: null}
#       examples:
#       - rules: [{key: "on", "y": "yes"}]
#         most: 9007199254740993
package portcullis.library.pods.manifold

deny contains "x" if input.parameters.most

warn contains "x" if data.kubernetes.services
`

func manifoldDescription(t *testing.T) Description {
	t.Helper()
	r, err := NewReader([]File{
		{Name: "manifold.rego", Text: []byte(manifold)},
		{Name: "some.yaml", Text: []byte("policies: [pods.manifold]\n")},
		{Name: "other.yaml", Text: []byte("policies: []\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	d, err := r.Describe("pods.manifold")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDescribe(t *testing.T) {
	d := manifoldDescription(t)
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"name":"pods.manifold","title":"Of many parameters","description":"All that a policy may say.","severity":"high","controls":["pss/baseline"],`,
		`"bundles":["some"],"stages":["validate"],"match":{"resources":["pods","apps/*"]`, `"data":["services"],"enforcement":"warn"`,
		`"related":[{"url":"https://example.com/a","description":"A text"}]`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s\nhas no %s", text, want)
		}
	}
	if d.Source != manifold || d.Topic() != "pods" {
		t.Errorf("topic %s, source %s", d.Topic(), d.Source)
	}
	if got, want := d.Matches(), "pods, apps/* on CREATE and DELETE, outside of the namespaces kube-* and dev, in namespaces with the labels team=shop"; got != want {
		t.Errorf("it matches %s, want %s", got, want)
	}
	var takes []string
	for _, p := range d.Takes() {
		takes = append(takes, p.Name+": "+strings.Join(p.Words(), ", ")+strings.TrimRight("; "+p.Description, "; "))
	}
	want := `rules: list of object, at least 1, required; What must be so.
rules[].key: string, pattern ^[a-z|]+$, required; The key.
rules[].y: string, default "no"
by: map of integer, default {}
level: one of ["a","b"], default "a"
most: integer or null, minimum 1, maximum 9007199254740993, default 3
version: string, default "latest"
whatever: anything, default null`
	if got := strings.Join(takes, "\n"); got != want {
		t.Errorf("it takes\n%s\nwant\n%s", got, want)
	}
}

// The Policy means to kubectl, whose YAML is an older one, what the example in the METADATA says.
func TestTheReadyPolicy(t *testing.T) {
	text, err := manifoldDescription(t).Policy("v1.30")
	if err != nil {
		t.Fatal(err)
	}
	var p v1alpha1.Policy
	if err := yaml.UnmarshalStrict(text, &p); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	want := `{"most":9007199254740993,"rules":[{"key":"on","y":"yes"}],"version":"v1.30"}`
	if p.Name != "pods.manifold" || p.Spec.Use != "pods.manifold" || p.Spec.Enforcement != "warn" || string(p.Spec.Parameters.Raw) != want {
		t.Errorf("%s\n%s", p.Spec.Parameters.Raw, text)
	}
}

func TestMatchesOfEveryStage(t *testing.T) {
	const head = "# METADATA\n# custom:\n#   portcullis:\n#     severity: low\n"
	for text, want := range map[string]string{
		head + "package portcullis.library.a.b\n\nuser := {\"username\": input.spec.token}\n":                                             "every token",
		head + "#     match: {stage: image}\npackage portcullis.library.a.b\n\ndeny contains \"x\"\n":                                     "every image",
		head + "#     match: {stage: guard}\npackage portcullis.library.a.b\n\ndeny contains \"x\"\n":                                     "everything on all verbs",
		head + "#     match: {stage: grant, groups: [a]}\npackage portcullis.library.a.b\n\nallow contains \"x\"\n":                       "everything on all verbs, by the groups a",
		head + "#     match: {resources: [\"*\"], operations: [\"*\"]}\npackage portcullis.library.a.b\n\ndeny contains \"x\"\n":          "everything on all operations",
		head + "#     match: {resources: [pods], labels: {matchLabels: {a: b}}}\npackage portcullis.library.a.b\n\ndeny contains \"x\"\n": "pods on CREATE and UPDATE, with the labels a=b",
	} {
		r, err := NewReader([]File{{Name: "a.rego", Text: []byte(text)}})
		if err != nil {
			t.Fatal(err)
		}
		d, err := r.Describe("a.b")
		if err != nil || d.Matches() != want {
			t.Errorf("%s\n%v\n got %s\nwant %s", text, err, d.Matches(), want)
		}
	}
}
