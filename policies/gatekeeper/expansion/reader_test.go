package expansion

import (
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/documents"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper"
)

// documentsOf are the documents of a file f.yaml.
func documentsOf(t testing.TB, text string) []policies.Document {
	t.Helper()
	docs, err := documents.Split("f.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	reading := new(gatekeeper.Reader).Read(t.Context(), docs)
	if len(reading.Faults) > 0 {
		t.Fatal(reading.Faults)
	}
	return reading.Documents
}

// templateOf spells an ExpansionTemplate that makes objects of one kind of those of others.
func templateOf(name, makes string, applyTo ...string) string {
	return `
---
apiVersion: expansion.gatekeeper.sh/v1beta1
kind: ExpansionTemplate
metadata: {name: ` + name + `}
spec:
  applyTo: [{groups: [""], versions: [v1], kinds: [` + strings.Join(applyTo, ", ") + `]}]
  templateSource: spec
  generatedGVK: {group: "", version: v1, kind: ` + makes + "}\n"
}

func TestFaultyTemplates(t *testing.T) {
	const whole = `apiVersion: expansion.gatekeeper.sh/v1beta1
kind: ExpansionTemplate
metadata:
  name: pods
spec:
  applyTo:
  - {groups: [apps], versions: [v1], kinds: [Deployment]}
  templateSource: spec.template
  generatedGVK: {group: "", version: v1, kind: Pod}
  enforcementAction: warn
`
	if _, faults := new(Reader).Read(documentsOf(t, whole)); len(faults) > 0 {
		t.Fatal(faults)
	}
	for name, c := range map[string]struct{ from, to, want string }{
		"version":      {"v1beta1", "v1", `f.yaml:1: ExpansionTemplate pods: version v1 is none of v1beta1 and v1alpha1`},
		"name":         {"name: pods", "name: " + strings.Repeat("p", 64), `f.yaml:4: ExpansionTemplate ` + strings.Repeat("p", 64) + `: metadata.name is longer than 63 characters`},
		"no kinds":     {"kinds: [Deployment]", "kinds: []", `f.yaml:6: ExpansionTemplate pods: spec.applyTo names no kind of object; give groups, versions and kinds`},
		"any kind":     {"kinds: [Deployment]", `kinds: ["*"]`, `f.yaml:6: ExpansionTemplate pods: spec.applyTo has "*", which stands for nothing there; name groups, versions and kinds`},
		"no source":    {"templateSource: spec.template", `templateSource: ""`, `f.yaml:5: ExpansionTemplate pods: spec.templateSource is missing; it is where the objects have what they imply, as spec.template`},
		"source":       {"templateSource: spec.template", `templateSource: spec..template`, `f.yaml:8: ExpansionTemplate pods: spec.templateSource "spec..template" is not a path of fields with dots between them, as spec.template`},
		"no kind made": {", kind: Pod", "", `f.yaml:9: ExpansionTemplate pods: spec.generatedGVK needs a version and a kind; they are those of what is implied`},
		"action":       {"Action: warn", "Action: scoped", `f.yaml:10: ExpansionTemplate pods: enforcementAction "scoped" is none of deny, warn and dryrun; leave it out for that of each constraint`},
		"unknown":      {"enforcementAction", "enforcmentAction", `f.yaml:10: ExpansionTemplate pods: "enforcmentAction" is not known under spec; correct the spelling, or leave it out`},
		"type":         {"templateSource: spec.template", "templateSource: [spec]", `f.yaml:8: ExpansionTemplate pods: spec.templateSource cannot be a list`},
	} {
		t.Run(name, func(t *testing.T) {
			system, faults := new(Reader).Read(documentsOf(t, strings.Replace(whole, c.from, c.to, 1)))
			if faults.Error() != c.want || system != nil {
				t.Errorf("got %v, want %s", faults, c.want)
			}
		})
	}
}

func TestTemplatesOfOneName(t *testing.T) {
	same := templateOf("a", "Pod", "Job")
	if _, faults := new(Reader).Read(documentsOf(t, same+same)); len(faults) > 0 {
		t.Error(faults)
	}
	_, faults := new(Reader).Read(documentsOf(t, same+templateOf("a", "Pod", "CronJob")))
	if want := "f.yaml:14: ExpansionTemplate a: it is also defined in f.yaml:3; give one of them another name"; faults.Error() != want {
		t.Errorf("got %v, want %s", faults, want)
	}
}

func TestCycles(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"none":    {templateOf("a", "Pod", "Job") + templateOf("b", "Job", "CronJob") + templateOf("c", "Pod", "CronJob"), nil},
		"of one":  {templateOf("a", "Pod", "Job", "Pod"), []string{"a -> a"}},
		"of two":  {templateOf("a", "Pod", "Job") + templateOf("b", "Job", "Pod") + templateOf("c", "Pod", "CronJob"), []string{"a -> b -> a", "b -> a -> b"}},
		"of four": {templateOf("a", "B", "A") + templateOf("b", "C", "B") + templateOf("c", "D", "C") + templateOf("d", "A", "D"), []string{"a -> b -> c -> d -> a"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, faults := new(Reader).Read(documentsOf(t, c.text))
			for _, way := range c.want {
				if want := "what it makes would be expanded for ever: " + way + "; take one of applyTo out"; !strings.Contains(faults.Error(), want) {
					t.Errorf("got %v, want %s", faults, want)
				}
			}
			if (c.want == nil) != (len(faults) == 0) {
				t.Errorf("got %v", faults)
			}
		})
	}
}

func TestTheLastGoodVersionStays(t *testing.T) {
	var reader Reader
	first, _ := reader.Read(documentsOf(t, templateOf("a", "Pod", "Job")))
	for name, text := range map[string]string{
		"faulty": strings.Replace(templateOf("a", "Pod", "Job"), "kind: Pod", "kind: ''", 1),
		"cycle":  templateOf("a", "Pod", "Job") + templateOf("b", "Job", "Pod"),
	} {
		if next, faults := reader.Read(documentsOf(t, text)); len(faults) == 0 || next == nil || next.Revision() != first.Revision() {
			t.Errorf("%s: %v, and what is in force is %+v", name, faults, next)
		}
	}
	if gone, faults := reader.Read(nil); gone != nil || len(faults) > 0 {
		t.Errorf("%v, %v", gone, faults)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(templateOf("a", "Pod", "Job"))
	f.Add("apiVersion: expansion.gatekeeper.sh/v1alpha1\nkind: ExpansionTemplate\nmetadata: {name: a}\nspec: {applyTo: [{kinds: 3}]}")
	f.Fuzz(func(t *testing.T, text string) {
		docs, _ := documents.Split("f.yaml", []byte(text))
		system, _ := new(Reader).Read(new(gatekeeper.Reader).Read(t.Context(), docs).Documents)
		if system != nil && len(system.templates) == 0 {
			t.Error("a System of nothing")
		}
	})
}
