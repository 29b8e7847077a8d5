package native

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/inventory"
	"github.com/portcullis-dev/portcullis/review"
)

const helper = `package portcullis.kubernetes

object := input.request.object
`

const libraryRule = `# METADATA
# title: Replicas are bounded
# custom:
#   portcullis:
#     severity: low
#     controls: [x/1]
#     match: {resources: [deployments], excludeNamespaces: ["kube-*"]}
#     parameters:
#       type: object
#       properties:
#         max: {type: integer, default: 3}
#         names: {type: array, items: {type: string}}
#       required: [names]
package portcullis.library.deployments.replicas

import data.portcullis.kubernetes

deny contains "too many" if kubernetes.object.spec.replicas > input.parameters.max
`

func newTestReader(t testing.TB) *Reader {
	t.Helper()
	r, err := NewReader([]File{{Name: "kubernetes.rego", Text: []byte(helper)}, {Name: "replicas.rego", Text: []byte(libraryRule)}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func read(t testing.TB, files ...string) ([]policies.Spec, policies.Faults) {
	t.Helper()
	var list []File
	for i := 0; i < len(files); i += 2 {
		list = append(list, File{Name: files[i], Text: []byte(files[i+1])})
	}
	return newTestReader(t).Read(list)
}

func policy(spec string) string {
	return "apiVersion: portcullis.dev/v1alpha1\nkind: Policy\nmetadata: {name: mine}\nspec:\n" + spec
}

func TestAPolicySaysAllInItsMetadata(t *testing.T) {
	specs, faults := read(t, "a.rego", `# METADATA
# title: A title
# description: More of it.
# custom:
#   portcullis:
#     severity: high
#     controls: [pss/baseline]
#     match: {resources: [pods, workloads], operations: [CREATE], namespaces: ["a-*"]}
#     enforcement: warn
package team.rules

import data.portcullis.kubernetes
import data.team.words

deny contains words.no if kubernetes.object.metadata.labels.bad
`, "words.rego", "package team.words\n\nno := \"no\"\n", "a_test.rego", "this is not Rego", "fixture.yaml", "kind: Pod\napiVersion: v1\n")
	if len(faults) > 0 || len(specs) != 1 {
		t.Fatal(specs, faults)
	}
	s := specs[0]
	var packages []string
	for _, m := range s.Modules {
		packages = append(packages, m.Package.Path.String())
	}
	if want := []string{"data.team.rules", "data.portcullis.kubernetes", "data.team.words"}; !slices.Equal(packages, want) {
		t.Errorf("modules of %v", packages)
	}
	if s.ID != "team.rules" || s.Title != "A title" || s.Description != "More of it." || s.Severity != "high" ||
		s.Enforcement != policies.EnforceWarn || s.OnError != policies.OnErrorWarn ||
		!slices.Equal(s.Rules, []policies.Rule{{Stage: review.Validate, Name: "deny"}}) {
		t.Errorf("%+v", s)
	}
	for _, want := range []policies.Resource{{Resource: "pods"}, {Resource: "pods", Subresource: "resize"}, {Group: "batch", Resource: "cronjobs"}} {
		if !slices.Contains(s.Match.Resources, want) {
			t.Errorf("%v is missing in %v", want, s.Match.Resources)
		}
	}
	if _, err := policies.Compile(t.Context(), specs); err != nil {
		t.Error(err)
	}
}

func TestAdmissionPoliciesWrittenForOPARunAsTheyAre(t *testing.T) {
	for name, text := range map[string]string{
		"v0":                           "package kubernetes.admission\n\ndeny[msg] {\n\tinput.request.operation == \"DELETE\"\n\tmsg := \"no\"\n}\n",
		"v1":                           "package kubernetes.admission\n\ndeny contains msg if {\n\tinput.request.operation == \"DELETE\"\n\tmsg := \"no\"\n}\n",
		"v0 with deprecated functions": "package kubernetes.admission\n\nimport data.portcullis.kubernetes\n\ndeny[msg] {\n\tany([true])\n\tre_match(\"D.*\", input.request.operation)\n\tmsg := \"no\"\n}\n",
	} {
		t.Run(name, func(t *testing.T) {
			specs, faults := read(t, "admission.rego", text)
			if len(faults) > 0 {
				t.Fatal(faults)
			}
			set, err := policies.Compile(t.Context(), specs)
			if err != nil {
				t.Fatal(err)
			}
			req, _, err := review.DialectValidate([]byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u",
				"operation":"DELETE","kind":{"group":"x.example.com","version":"v1","kind":"Thing"},"resource":{"group":"x.example.com","version":"v1","resource":"things"},"subResource":"scale"}}`))
			if err != nil {
				t.Fatal(err)
			}
			d, err := set.Review(t.Context(), req)
			if err != nil || d.Refusal() != "kubernetes.admission: no" {
				t.Errorf("%+v %v", d, err)
			}
		})
	}
}

func TestPolicyDocuments(t *testing.T) {
	specs, faults := read(t, "p.yaml", policy(`  use: deployments.replicas
  match: {namespaces: [prod]}
  parameters: {names: [a]}
  enforcement: audit
`), "q.yaml", "# first\n---\n"+policy(`  rego: |
    package mine

    deny contains "no"
`))
	if len(faults) > 0 || len(specs) != 1+1 {
		t.Fatal(specs, faults)
	}
	s := specs[0]
	if s.ID != "mine" || s.Parameters.String() != `{"max": 3, "names": ["a"]}` || s.Enforcement != policies.EnforceAudit ||
		len(s.Match.Namespaces) != 1 || len(s.Match.ExcludeNamespaces) != 1 || s.Match.Resources[0].Resource != "deployments" {
		t.Errorf("%+v", s)
	}
	if got := specs[1].Modules[0].Package.Location; got.File != "q.yaml" || got.Row != 8 {
		t.Errorf("the package is at %v", got)
	}
}

func TestBadInputIsOneClearLineEach(t *testing.T) {
	meta := func(body string) string {
		return "# METADATA\n# custom:\n#   portcullis:\n" + body + "package a\n\ndeny contains \"no\"\n"
	}
	for _, c := range []struct{ name, file, text, want string }{
		{"not Rego", "a.rego", "package a\n\ndeny contains if {\n", "a.rego:3: unexpected if keyword"},
		{"empty", "a.rego", "", "a.rego: empty module"},
		{"unknown key", "a.rego", meta("#     severity: low\n#     sevrity: low\n"), `a.rego:5: custom.portcullis.sevrity is not known; did you mean custom.portcullis.severity?`},
		{"severity", "a.rego", meta("#     severity: urgent\n"), `a.rego:4: custom.portcullis: severity "urgent" is none of low, medium, high and critical`},
		{"resource", "a.rego", meta("#     match: {resources: [podz]}\n"), `a.rego:4: policy a: match.resources: "podz" is not a resource built into Kubernetes; if it is a custom resource, write it with its group, "podz.example.com"`},
		{"kind", "a.rego", meta("#     match: {resources: [Pod]}\n"), `a.rego:4: policy a: match.resources: "Pod" is not a resource; write a plural in lower case such as "pods", "deployments.apps" or "pods/exec", all of a group such as "apps/*", "workloads", or "*"`},
		{"operation", "a.rego", meta("#     match: {operations: [PATCH]}\n"), `a.rego:4: policy a: match.operations: "PATCH" is none of CREATE, UPDATE, DELETE, CONNECT and "*"`},
		{"stage", "a.rego", meta("#     match: {stage: mutating}\n"), `a.rego:4: policy a: stage "mutating" is none of admission, guard, grant and image`},
		{"users", "a.rego", meta("#     match: {users: [jane]}\n"), `a.rego:4: policy a: match.users and match.groups are for the stages guard and grant`},
		{"glob", "a.rego", meta("#     match: {namespaces: [\"a*b\"]}\n"), `a.rego:4: policy a: match.namespaces: "a*b" has an asterisk in the middle; a name may start and end with one`},
		{"enforcement", "a.rego", meta("#     enforcement: block\n"), `a.rego:4: policy a: enforcement "block" is none of deny, warn, audit and off`},
		{"onError", "a.rego", meta("#     onError: ignore\n"), `a.rego:4: policy a: onError "ignore" is none of deny, warn and allow`},
		{"data without a group", "a.rego", meta("#     data: [ingresses]\n"), `a.rego:4: custom.portcullis: data: "ingresses" is not a kind of the core group; write "ingresses.networking.k8s.io"`},
		{"data of no group", "a.rego", meta("#     data: [widgets]\n"), `a.rego:4: custom.portcullis: data: "widgets" is not a kind of the core group; write it with its group, such as "widgets.example.com"`},
		{"data of a kind", "a.rego", meta("#     data: [Pod]\n"), `a.rego:4: custom.portcullis: data: "Pod" is not a kind of objects; write its plural, and its group unless that is the core group, such as "pods" or "ingresses.networking.k8s.io"`},
		{"data twice", "a.rego", meta("#     data: [pods, pods]\n"), `a.rego:4: custom.portcullis: data: "pods" is listed twice`},
		{"too much data", "a.rego", meta("#     data: [a.b, c.b, d.b, e.b, f.b, g.b, h.b, i.b, j.b, k.b, l.b, m.b, n.b, o.b, p.b, q.b, r.b]\n"), `a.rego:4: custom.portcullis: data: 17 kinds are more than 16; split the policy`},
		{"staleness", "a.rego", meta("#     data: [pods]\n#     maxStaleness: 1s\n"), `a.rego:5: custom.portcullis: maxStaleness "1s" is not a time between 10s and 24h, such as "90s" or "5m"`},
		{"staleness of nothing", "a.rego", meta("#     maxStaleness: 1m\n"), `a.rego:4: custom.portcullis: maxStaleness is about data, and there is none`},
		{"schema", "a.rego", meta("#     parameters: {type: objekt}\n"), `a.rego:4: policy a: the schema of the parameters is not a JSON schema: schema.type: value must be one of 'array', 'boolean', 'integer', 'null', 'number', 'object', 'string'`},
		{"library package", "a.rego", "package portcullis.kubernetes\n\nx := 1\n", "a.rego:1: package data.portcullis.kubernetes belongs to the library or is named like its policy; give yours another name"},
		{"inside the library", "a.rego", "package portcullis.kubernetes.extra\n\nx := 1\n", "a.rego:1: package data.portcullis.kubernetes.extra belongs to the library or is named like its policy; give yours another name"},
		{"named like the library", "a.rego", "package deployments.replicas\n\ndeny contains 1\n", "a.rego:1: package data.deployments.replicas belongs to the library or is named like its policy; give yours another name"},
		{"all resources of a plural", "a.rego", meta("#     match: {resources: [\"pods/*\"]}\n"), `a.rego:4: policy a: match.resources: "pods/*" is not all of a group, as "apps/*", "core/*" and "example.com/*" are; subresources are named one by one, as "pods/exec"`},
		{"mixed stages", "a.rego", meta("#     match: {stage: [admission, guard]}\n"), `a.rego:4: policy a: guard and grant stand alone in stage: what resources and operations mean there is not what they mean elsewhere`},
		{"allow alone", "a.rego", "# METADATA\n# custom:\n#   portcullis: {severity: low}\npackage a\n\nallow if true\n", `a.rego:4: policy a: the package defines allow alone; write "stage: grant" in match if it is to allow what RBAC does not`},
		{"no such policy", "p.yaml", policy("  use: pods.nothing\n"), `p.yaml:5: Policy mine: there is no policy "pods.nothing", neither in the library nor beside it`},
		{"use and rego", "p.yaml", policy("  use: a\n  rego: b\n"), `p.yaml:5: Policy mine: give either spec.use or spec.rego`},
		{"neither", "p.yaml", policy("  enforcement: deny\n"), `p.yaml:1: Policy mine: give either spec.use or spec.rego`},
		{"unknown field", "p.yaml", "\n---\n" + policy("  use: deployments.replicas\n  params: {}\n"), `p.yaml:8: spec.params is not known; the keys of spec are enforcement, match, onError, parameters, rego and use`},
		{"other kind", "p.yaml", "apiVersion: portcullis.dev/v1\nkind: Policy\n", `p.yaml:1: portcullis.dev is served with kinds Policy and PolicyException in version v1alpha1`},
		{"no name", "p.yaml", "apiVersion: portcullis.dev/v1alpha1\nkind: Policy\nspec: {}\n", `p.yaml:1: the Policy has no metadata.name`},
		{"not YAML", "p.yaml", "a: 1\nb: [\n", `p.yaml:2: did not find expected node content`},
		{"duplicate key", "p.yaml", "a: 1\na: 2\n", `p.yaml:2: key "a" already set in map`},
		{"parameter missing", "p.yaml", policy("  use: deployments.replicas\n"), `p.yaml:1: Policy mine: parameters: missing property 'names'`},
		{"parameter type", "p.yaml", policy("  use: deployments.replicas\n  parameters: {names: [1]}\n"), `p.yaml:6: Policy mine: parameters.names.0: got number, want string`},
		{"parameter unknown", "p.yaml", policy("  use: deployments.replicas\n  parameters: {names: [], maxx: 1}\n"), `p.yaml:6: Policy mine: parameters.maxx is not known; did you mean parameters.max?`},
		{"parameter of another name", "p.yaml", policy("  use: deployments.replicas\n  parameters: {people: []}\n"), `p.yaml:6: Policy mine: parameters.people is not known; did you mean parameters.names?`},
		{"parameter nobody knows", "p.yaml", policy("  use: deployments.replicas\n  parameters: {names: [], people: 1}\n"), `p.yaml:6: Policy mine: parameters.people is not known; the keys of parameters are max and names`},
		{"rego in YAML", "p.yaml", policy("  rego: |\n    package mine\n\n    deny contains if {\n"), `p.yaml:8: unexpected if keyword`},
		{"too long", "a.rego", "package a\n" + strings.Repeat("#\n", maxSource), "a.rego: the file is longer than 1 MiB; split the policy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			specs, faults := read(t, c.file, c.text)
			if len(specs) > 0 || len(faults) != 1 || faults[0].Err.Error() != c.want || strings.Contains(faults.Error(), "\n") {
				t.Errorf("got %d policies and %q\nwant %q", len(specs), faults.Error(), c.want)
			}
		})
	}
}

func TestData(t *testing.T) {
	text := "# METADATA\n# custom:\n#   portcullis:\n#     data: [pods, widgets.example.com]\n%spackage a\n\ndeny contains 1\n"
	for more, want := range map[string]time.Duration{"": 5 * time.Minute, "#     maxStaleness: 90s\n": 90 * time.Second} {
		specs, faults := read(t, "a.rego", fmt.Sprintf(text, more))
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		if got := specs[0]; !slices.Equal(got.Data, []inventory.Kind{"pods", "widgets.example.com"}) || got.MaxStaleness != want {
			t.Errorf("%v %v", got.Data, got.MaxStaleness)
		}
	}
}

// What a helper package makes of a review is shared by policies with different parameters.
func TestAHelperPackageDoesNotReadParameters(t *testing.T) {
	for _, text := range []string{
		"package helper\n\nx := input.parameters.max\n",
		"package helper\n\nx := input\n",
		"package helper\n\nx := input[y] if some y in [\"parameters\"]\n",
		"package helper\n\nx := input.parameters.podTemplate\n",
		"package helper\n\nx := input.parameters[y] if some y in [\"podTemplates\"]\n",
		"package helper\n\nx := [input.parameters.podTemplates, input.parameters]\n",
	} {
		_, err := NewReader([]File{{Name: "helper.rego", Text: []byte(text)}})
		if err == nil || err.Error() != "the library: helper.rego reads input.parameters; a helper package serves policies with different ones" {
			t.Errorf("%s%v", text, err)
		}
	}
}

// Of what says where Pod templates are a helper package may read, since policies that say it share nothing.
func TestPoliciesThatSayWherePodTemplatesAreShareNothing(t *testing.T) {
	r, err := NewReader([]File{
		{Name: "helper.rego", Text: []byte("package helper\n\nx := path if some path in input.parameters.podTemplates\n")},
		{Name: "rule.rego", Text: []byte("# METADATA\n# custom:\n#   portcullis:\n#     match: {resources: [pods]}\n" +
			"#     parameters: {type: object, properties: {podTemplates: {type: object, default: {}}}}\n" +
			"package portcullis.library.a.b\n\nimport data.helper\n\ndeny contains helper.x\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	for parameters, shares := range map[string]bool{"{}": true, "{podTemplates: {}}": true, "{podTemplates: {a.b: c}}": false} {
		specs, faults := r.Read([]File{{Name: "p.yaml", Text: []byte(policy("  use: a.b\n  parameters: " + parameters + "\n"))}})
		if len(faults) > 0 || len(specs) != 1 {
			t.Fatal(faults)
		}
		if (len(specs[0].Shared) > 0) != shares {
			t.Errorf("%s: %v", parameters, specs[0].Shared)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add("a.rego", libraryRule)
	f.Add("p.yaml", policy("  use: deployments.replicas\n  parameters: {names: [a]}\n"))
	f.Add("p.yaml", policy("  rego: |\n    package x\n    deny contains 1\n"))
	f.Add("a.rego", described("custom: {portcullis: {match: {resources: [podz], stage: [5]}}}"))
	f.Add("a.rego", "# METADATA\n# custom: [x]\npackage a\nimport input.parameters as p\nviolation contains object.get(p, \"x\", 1)\nmutate contains p.x")
	f.Add("p.yaml", policy("  <<: &a {match: {resources: [1]}}\n  use: a\n...\n---\nkind: Policy\napiVersion: 5\n"))
	f.Add("e.yaml", exceptionHead+"spec: {policies: [a], match: {names: [web]}, reason: r, expires: \"2020-01-01T00:00:00Z\"}\n")
	f.Fuzz(func(t *testing.T, name, text string) {
		if len(name) > 20 || len(text) > 4<<10 {
			return
		}
		specs, faults := newTestReader(t).Read([]File{{Name: name, Text: []byte(text)}})
		for _, s := range specs {
			if s.ID == "" || s.Digest == "" || len(s.Rules) == 0 || s.Enforcement == "" || s.OnError == "" {
				t.Errorf("half a policy: %+v", s)
			}
		}
		exceptions, torn := newTestReader(t).Exceptions([]File{{Name: name, Text: []byte(text)}})
		for _, e := range exceptions {
			if e.Namespace == "" || e.Name == "" || len(e.Policies) == 0 || len(e.Match.Resources) == 0 || e.Expires.IsZero() || e.Digest == "" {
				t.Errorf("half an exception: %+v", e)
			}
		}
		for _, fault := range append(faults, torn...) {
			if fault.Err.Error() == "" {
				t.Error("a fault without words")
			}
		}
	})
}
