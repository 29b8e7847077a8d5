package source

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/policies"
)

func theTemplate(body string) string {
	return `apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: always}
spec:
  crd: {spec: {names: {kind: Always}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package always
      violation[{"msg": "no"}] { ` + body + ` }
`
}

func theConstraint(name string) string {
	return "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: Always\nmetadata: {name: " + name + "}\n"
}

// The bundle of a directory has what every front end makes of it, and what none of them does.
func TestFrontEndsStandSideBySide(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.rego"), rule("native"))
	write(t, filepath.Join(dir, "b.yaml"), theConstraint("one")+"---\n"+
		"apiVersion: portcullis.dev/v1alpha1\nkind: Policy\nmetadata: {name: two}\nspec: {use: a.b}\n---\n"+
		"apiVersion: mutations.gatekeeper.sh/v1\nkind: Assign\nmetadata: {name: three}\nspec: {location: spec.x}\n---\n"+
		"apiVersion: v1\nkind: Pod\nmetadata: {name: four}\n")
	write(t, filepath.Join(dir, "c", "template.yaml"), theTemplate("true"))
	bundle, err := newFiles(t, dir).Load(t.Context())
	if err != nil || len(bundle.Faults) > 0 {
		t.Fatal(err, bundle.Faults)
	}
	var ids []string
	for _, spec := range bundle.Specs {
		ids = append(ids, spec.ID)
	}
	if got := strings.Join(ids, " "); got != "team.rule two always/one" {
		t.Errorf("the policies are %s", got)
	}
	if len(bundle.Documents) != 1 || bundle.Documents[0].Object.GetName() != "three" {
		t.Fatalf("beside them there are %v", bundle.Documents)
	}
	if at := bundle.Documents[0].At("spec", "location"); at != filepath.Join(dir, "b.yaml")+":13" {
		t.Errorf("spec.location is at %s", at)
	}
}

// What a faulty template would have made stays in force; what lies in other files moves on.
func TestConstraintsOfAFaultyTemplateStay(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "template.yaml"), theTemplate("true"))
	write(t, filepath.Join(dir, "constraints.yaml"), theConstraint("one")+"---\n"+theConstraint("two"))
	write(t, filepath.Join(dir, "a.rego"), rule("native"))
	var engine policies.Engine
	files := newFiles(t, dir)
	loads := make(chan policies.Load, 8)
	loader := &policies.Loader{Engine: &engine, Sources: []policies.Source{files}, Report: func(l policies.Load) { loads <- l }}
	ended := make(chan error, 1)
	go func() { ended <- loader.Run(t.Context()) }()
	next := func(faults string) policies.Load {
		t.Helper()
		for deadline := time.After(2 * time.Minute); ; {
			select {
			case l := <-loads:
				if strings.Contains(l.Faults.Error(), faults) && (faults != "" || len(l.Faults) == 0) {
					return l
				}
			case err := <-ended:
				t.Fatal(err)
			case <-deadline:
				t.Fatalf("there is no load with %q", faults)
			}
		}
	}
	next("")
	write(t, filepath.Join(dir, "template.yaml"), theTemplate("no.such(1)"))
	load := next("template.yaml:10: ConstraintTemplate always: undefined function no.such")
	if got := strings.Join(load.Kept, " "); got != "always/one always/two" || len(load.Faults) != 1 {
		t.Errorf("%s stay, with %v", got, load.Faults)
	}
	write(t, filepath.Join(dir, "constraints.yaml"), theConstraint("one"))
	load = next("template.yaml:10")
	for strings.Join(load.Kept, " ") != "always/one" {
		load = next("template.yaml:10")
	}
	write(t, filepath.Join(dir, "template.yaml"), theTemplate("false"))
	if load = next(""); len(load.Kept) > 0 || len(load.Set.Policies()) != 2 {
		t.Errorf("%v stay of %d", load.Kept, len(load.Set.Policies()))
	}
}
