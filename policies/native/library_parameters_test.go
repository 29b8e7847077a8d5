package native

import (
	"fmt"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/policies"
)

const withTemplates = `# METADATA
# custom:
#   portcullis:
#     match: {resources: [pods, rollouts.argoproj.io]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         podTemplates: {type: object, additionalProperties: {type: string}, default: {}}
#         version: {type: string, default: latest}
package portcullis.library.pods.templates

deny contains input.parameters.version if input.parameters.podTemplates.x
`

func TestLibraryParameters(t *testing.T) {
	r, err := NewReader([]File{
		{Name: "kubernetes.rego", Text: []byte(helper)},
		versioned("new"),
		{Name: "templates.rego", Text: []byte(withTemplates)},
		{Name: "library/bundles/both.yaml", Text: []byte("title: Both\npolicies: [pods.new, pods.templates]\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ names, parameters, want string }{
		{"both", "podTemplates: {jobs.example.com: spec.template, rollouts.argoproj.io: spec.template}", `pods.new on pods {"version": "latest"}
pods.templates on pods, rollouts.argoproj.io, jobs.example.com {"podTemplates": {"jobs.example.com": "spec.template", "rollouts.argoproj.io": "spec.template"}, "version": "latest"}`},
		{"both@v1.30", "podTemplates: {}", `pods.new on pods {"version": "v1.30"}
pods.templates on pods, rollouts.argoproj.io {"podTemplates": {}, "version": "v1.30"}`},
		{"pods.new", "podTemplates: {}", `pods.new on pods {"version": "latest"}
the library's parameter "podTemplates": no policy that is put in force by name has it; leave it out`},
		{"pods.templates", "podTemplate: {}", `pods.templates on pods, rollouts.argoproj.io {"podTemplates": {}, "version": "latest"}
the library's parameter "podTemplate": no policy that is put in force by name has it; did you mean podTemplates?`},
		{"pods.templates", "podTemplates: [a]", "templates.rego:5: policy pods.templates: parameters.podTemplates: got array, want object"},
	} {
		parameters, err := ReadLibraryParameters([]byte(c.parameters))
		if err != nil {
			t.Fatal(err)
		}
		specs, faults := r.UseWith(parameters, c.names)
		var got []string
		for _, spec := range specs {
			got = append(got, fmt.Sprintf("%s on %s %v", spec.ID, resourcesOf(spec), spec.Parameters))
		}
		if len(faults) > 0 {
			got = append(got, faults.Error())
		}
		if said := strings.Join(got, "\n"); said != c.want {
			t.Errorf("%s with %s:\n got %s\nwant %s", c.names, c.parameters, said, c.want)
		}
	}
}

// A template in what the policy is not asked about would silently not be judged.
func TestPodTemplatesNobodyAsksAboutAreSaid(t *testing.T) {
	const document = "apiVersion: portcullis.dev/v1alpha1\nkind: Policy\nmetadata: {name: mine}\nspec:\n  use: templates\n" +
		"  parameters:\n    podTemplates:\n      rollouts.argoproj.io: spec.template\n      pairs.example.com: spec.leader\n"
	const unasked = "p.yaml:9: Policy mine: parameters.podTemplates: the policy is not asked about pairs.example.com, and no Pod of one is judged; " +
		"add pairs.example.com to match.resources"
	for match, want := range map[string]string{
		"":                             unasked,
		"[pods, rollouts.argoproj.io]": unasked,
		"[rollouts.argoproj.io, pairs.example.org]":       unasked,
		"[rollouts.argoproj.io, pairs.example.com/scale]": unasked,
		"[rollouts.argoproj.io, pairs.example.com]":       "",
		"[rollouts.argoproj.io, example.com/*]":           "",
		`["*"]`:                                           "",
	} {
		text := document
		if match != "" {
			text += "  match: {resources: " + match + "}\n"
		}
		specs, faults := read(t, "templates.rego", strings.ReplaceAll(withTemplates, "portcullis.library.pods.", ""), "p.yaml", text)
		if len(faults) > 0 {
			t.Fatal(match, faults)
		}
		if got := strings.Join(specs[len(specs)-1].Notes, "; "); got != want {
			t.Errorf("%s: %q", match, got)
		}
	}
}

func resourcesOf(spec policies.Spec) string {
	var out []string
	for _, r := range spec.Match.Resources {
		if name := strings.TrimSuffix(r.Resource+"."+r.Group, "."); r.Subresource == "" {
			out = append(out, name)
		}
	}
	return strings.Join(out, ", ")
}

func TestLibraryParametersThatAreWrong(t *testing.T) {
	for text, want := range map[string]string{
		"":               "there are no parameters in it; write names with their values, as podTemplates: {rollouts.argoproj.io: spec.template}",
		"version: v1.30": "the version is given with the name of a policy or bundle, as library:pss-restricted@v1.30; leave it out here",
		"- a":            "parameters are names with their values, as podTemplates: {rollouts.argoproj.io: spec.template}: ",
		"a: 1\na: 2":     "parameters are names with their values, as podTemplates: {rollouts.argoproj.io: spec.template}: ",
	} {
		if _, err := ReadLibraryParameters([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
