package gatekeeper_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/documents"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper/gatekeepertest"
)

// many are files of templates, each with constraints.
func many(templates, constraints int) (out []txtar.File) {
	for i := range templates {
		text := gatekeepertest.Template(i)
		for j := range constraints {
			text += "---\n" + gatekeepertest.Constraint(i, fmt.Sprintf("c%d", j), j)
		}
		out = append(out, txtar.File{Name: fmt.Sprintf("t%d.yaml", i), Data: []byte(text)})
	}
	return out
}

func load(ctx context.Context, b testing.TB, reader *gatekeeper.Reader, files []txtar.File, want int) {
	b.Helper()
	var docs []documents.Document
	for _, file := range files {
		found, err := documents.Split(file.Name, file.Data)
		if err != nil {
			b.Fatal(err)
		}
		docs = append(docs, found...)
	}
	reading := reader.Read(ctx, docs)
	set, err := policies.Compile(ctx, reading.Specs)
	if err != nil || len(reading.Faults) > 0 || len(set.Policies()) != want {
		b.Fatal(err, reading.Faults)
	}
}

// What a template is compiled to when it is read is what its constraints are judged by: a constraint whose modules are taken away is compiled
// all the same, and one that has nothing but its modules is, too.
func TestATemplateIsCompiledOnce(t *testing.T) {
	var reader gatekeeper.Reader
	for _, when := range []string{"the first time", "again"} {
		reading := reader.Read(t.Context(), split(t, many(1, 2)...))
		for i, spec := range reading.Specs {
			bare, anew := spec, spec
			bare.Modules, anew.Compiled = nil, nil
			for _, spec := range []policies.Spec{bare, anew} {
				if _, err := policies.CompilePolicy(t.Context(), spec); err != nil {
					t.Errorf("%s, constraint %d: %v", when, i, err)
				}
				if _, err := policies.Compile(t.Context(), []policies.Spec{spec}); err != nil {
					t.Errorf("%s, constraint %d in a set: %v", when, i, err)
				}
			}
			bare.Code = "another"
			if _, err := policies.CompilePolicy(t.Context(), bare); err == nil {
				t.Errorf("%s, constraint %d is taken for what other modules were compiled to", when, i)
			}
		}
	}
}

// Three hundred constraints of a hundred templates, from the bytes of the files to a Set.
func BenchmarkLoad(b *testing.B) {
	files := many(100, 3)
	for b.Loop() {
		load(b.Context(), b, new(gatekeeper.Reader), files, 300)
	}
}

// The same again, when the Rego is known: after a constraint was changed.
func BenchmarkLoadAgain(b *testing.B) {
	files := many(100, 3)
	var reader gatekeeper.Reader
	load(b.Context(), b, &reader, files, 300)
	for b.Loop() {
		load(b.Context(), b, &reader, files, 300)
	}
}

func FuzzRead(f *testing.F) {
	for _, file := range many(2, 2) {
		f.Add(file.Data)
	}
	for _, text := range []string{
		"kind: List\napiVersion: v1\nitems: [{apiVersion: constraints.gatekeeper.sh/v1beta1, kind: Needs0, metadata: {name: a}, spec: {match: {kinds: [{}]}}}]",
		"apiVersion: templates.gatekeeper.sh/v1\nkind: ConstraintTemplate\nmetadata: {name: a}\nspec: {crd: {spec: {names: {kind: A}, " +
			"validation: {legacySchema: true, openAPIV3Schema: {type: array}}}}, targets: [{target: admission.k8s.gatekeeper.sh, " +
			"code: [{engine: Rego, source: {version: v1, rego: \"package x\\nviolation contains 1\"}}]}]}",
		"apiVersion: mutations.gatekeeper.sh/v1\nkind: Assign\nmetadata: {name: x}",
		"&a [*a]", "{}", "[]", "3",
	} {
		f.Add([]byte(text))
	}
	base := many(1, 1)
	f.Fuzz(func(t *testing.T, text []byte) {
		docs, _ := documents.Split("fuzz.yaml", text)
		docs = append(docs, split(t, base...)...)
		reading := new(gatekeeper.Reader).Read(t.Context(), docs)
		for _, template := range reading.Templates {
			_ = template.CRD()
		}
		if len(reading.Faults) == 0 {
			// What was read without a fault can be compiled, unless two have one name.
			if _, err := policies.Compile(t.Context(), reading.Specs); err != nil && !strings.Contains(err.Error(), "is also defined in") {
				t.Error(err)
			}
		}
		for _, fault := range reading.Faults {
			if line := fault.Err.Error(); !strings.HasPrefix(line, "fuzz.yaml:") && !strings.HasPrefix(line, "t0.yaml:") {
				t.Errorf("the fault does not name its place: %s", line)
			}
		}
	})
}
