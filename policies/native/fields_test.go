package native

import (
	"testing"

	"github.com/portcullis-dev/portcullis/policies"
)

// A field that none of the resources has for which a policy was written, or about which it is asked, is an error when it is compiled.
func TestFieldsThatNoMatchedObjectHas(t *testing.T) {
	const (
		contaners = "deny contains \"no\" if input.request.object.spec.contaners[_]"
		template  = "deny contains \"no\" if input.request.object.spec.template.spec.nodeName"
		both      = template + "\n\ndeny contains \"no\" if input.request.object.spec.nodeName"
		said      = `input.request.object.spec.contaners: there is no field "contaners" in Pod's spec; did you mean "containers"?`
	)
	for name, c := range map[string]struct {
		want  string
		files []string
	}{
		"METADATA":                  {"a.rego:6: " + said, []string{"a.rego", saying("match: {resources: [pods]}", contaners)}},
		"a Policy with Rego":        {"p.yaml:9: " + said, []string{"p.yaml", policy("  match: {resources: [pods]}\n  rego: |\n" + indented("package a\n\n"+contaners))}},
		"of the resources together": {"", []string{"a.rego", saying("match: {resources: [pods, deployments]}", both)}},
		"narrowed by a Policy":      {"", []string{"a.rego", saying("match: {resources: [pods, deployments]}", both), "p.yaml", policy("  use: a\n  match: {resources: [pods]}\n")}},
		"widened by a Policy":       {"", []string{"a.rego", saying("match: {resources: [pods]}, enforcement: off", contaners), "p.yaml", policy("  use: a\n  match: {resources: [widgets.example.com]}\n")}},
		"written for any":           {"", []string{"a.rego", saying("severity: low", contaners), "p.yaml", policy("  use: a\n  match: {resources: [pods]}\n")}},
		"a custom resource beside":  {"", []string{"a.rego", saying("match: {resources: [pods, widgets.example.com]}", contaners)}},
		"all of a group":            {"", []string{"a.rego", saying("match: {resources: [\"core/*\"]}", contaners)}},
		"everything":                {"", []string{"a.rego", saying("match: {resources: [\"*\"]}", contaners)}},
		"written for OPA":           {"", []string{"a.rego", "package a\n\n" + contaners + "\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			specs, faults := read(t, c.files...)
			if len(faults) > 0 {
				t.Fatal(faults)
			}
			got := ""
			for _, spec := range specs {
				if name == "widened by a Policy" && spec.ID == "a" {
					continue
				}
				if _, err := policies.CompilePolicy(t.Context(), spec); err != nil {
					got = err.Error()
				}
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}
