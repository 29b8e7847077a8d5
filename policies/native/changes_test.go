package native

import (
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/policies"
)

func TestChangesThatCannotBe(t *testing.T) {
	match := func(says string) string { return saying("match: {"+says+"}", "deny contains \"no\"") }
	const no = `a.rego:3: policy a: match.changes: `
	tell(t, []mistake{
		{"misspelt", "a.rego", match("resources: [pods], changes: [spec.contaners]"), no + `spec.contaners: there is no field "contaners" in Pod's spec; did you mean "containers"?`},
		{"misspelt behind a list", "a.rego", match("resources: [pods], changes: [spec, spec.containers.imag]"), no + `spec.containers.imag: there is no field "imag" in Pod's spec.containers[_]; did you mean "image"?`},
		{"of another kind", "a.rego", match("resources: [services], changes: [spec.template]"), no + `spec.template: there is no field "template" in Service's spec as of Kubernetes 1.37`},
		{"beyond a text", "a.rego", match("resources: [pods], changes: [spec.nodeName.x]"), no + `spec.nodeName.x: there is no field "x" in Pod's spec.nodeName, which has none`},
		{"brackets", "a.rego", match(`resources: [pods], changes: ["spec.containers[*].image"]`), no + `"spec.containers[*].image" is not a path; write names of members with dots between them, as "spec.template", or "pods"`},
		{"empty", "a.rego", match(`resources: [pods], changes: [""]`), no + `"" is not a path; write names of members with dots between them, as "spec.template", or "pods"`},
		{"at guard", "a.rego", match("stage: guard, changes: [spec]"), "a.rego:3: policy a: match.changes is for the stage admission: at guard, grant and image nothing is updated"},
		{"of tokens", "a.rego", saying("match: {changes: [spec]}", "user := {\"username\": \"x\"} if input.spec.token == \"x\""), "a.rego:3: policy a: match.changes is not for policies of tokens, which are asked about every token; leave it out"},
	})
}

func TestChanges(t *testing.T) {
	const pods = "spec.containers.image spec.initContainers.image spec.ephemeralContainers.image spec.template spec.jobTemplate template"
	const parameters = ", parameters: {type: object, properties: {podTemplates: {type: object, default: {}}}}"
	for _, c := range []struct{ name, metadata, document, want string }{
		{"none", "match: {resources: [pods]}", "", ""},
		{"a path", "match: {resources: [pods], changes: [spec.tolerations, metadata.labels]}", "", "spec.tolerations metadata.labels"},
		{"of one kind of several", "match: {resources: [pods, deployments], changes: [spec.replicas]}", "", "spec.replicas"},
		{"of a custom resource", "match: {resources: [widgets.example.com], changes: [spec.pod]}", "", "spec.pod"},
		{"behind the labels", "match: {resources: [pods], changes: [metadata.labels.app]}", "", "metadata.labels.app"},
		{"pods", "match: {resources: [pods, workloads], changes: [pods, spec.containers.resources]}", "", pods + " spec.containers.resources"},
		{"pods of fewer", "match: {resources: [deployments], changes: [pods]}", "", pods},
		{"pods among everything", "match: {changes: [pods]}", "", pods + " spec"},
		{"with stages that have none", "match: {stage: [admission, image], resources: [pods], changes: [pods]}", "", pods},
		{"replaced", "match: {resources: [pods], changes: [pods]}", "match: {changes: [spec]}", "spec"},
		{"taken away", "match: {resources: [pods], changes: [pods]}", "match: {changes: []}", ""},
		{"inherited", "match: {resources: [pods, workloads], changes: [pods, spec.containers.resources]}", "match: {resources: [deployments]}", pods + " spec.containers.resources"},
		{"inherited at another stage", "match: {stage: [admission, image], resources: [pods], changes: [pods]}", "match: {stage: [image]}", pods},
		{"a custom resource", "match: {resources: [pods], changes: [pods]}" + parameters, "match: {resources: [pods, widgets.example.com]}", pods + " spec"},
		{
			"a custom resource whose template is declared", "match: {resources: [pods], changes: [pods]}" + parameters,
			"match: {resources: [pods, widgets.example.com]}\n  parameters: {podTemplates: {widgets.example.com: work.pod}}", pods + " work.pod",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := []string{"a.rego", saying(c.metadata, "deny contains \"no\" if input.parameters == 1")}
			if c.document != "" {
				files = append(files, "a.yaml", policy("  use: a\n  "+c.document+"\n"))
			}
			specs, faults := read(t, files...)
			if len(faults) > 0 || len(specs) == 0 {
				t.Fatalf("%v %v", specs, faults)
			}
			if got := joined(specs[len(specs)-1].Match.Changes); got != c.want {
				t.Errorf("%s\nwant %s", got, c.want)
			}
		})
	}
}

func joined(paths []policies.Path) string {
	var out []string
	for _, p := range paths {
		out = append(out, string(p))
	}
	return strings.Join(out, " ")
}
