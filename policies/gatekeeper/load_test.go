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
)

// many are files of templates, each with constraints, of about the size that is usual.
func many(templates, constraints int) (out []txtar.File) {
	const template = `apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: needs%[1]d}
spec:
  crd:
    spec:
      names: {kind: Needs%[1]d}
      validation:
        openAPIV3Schema:
          type: object
          properties:
            exemptImages: {type: array, items: {type: string}}
            ranges:
              type: array
              items: {type: object, properties: {min: {type: integer}, max: {type: integer, default: 100}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package needs%[1]d

      import data.lib.exempt.is_exempt

      violation[{"msg": msg, "details": {}}] {
        c := containers[_]
        not is_exempt(c)
        not in_ranges(c.securityContext.runAsUser)
        msg := sprintf("template %[1]d: container %%v of %%v may not run as that user", [c.name, input.review.object.metadata.name])
      }

      violation[{"msg": msg}] {
        input.review.operation == "UPDATE"
        old := {c.name | c := input.review.oldObject.spec.containers[_]}
        new := {c.name | c := input.review.object.spec.containers[_]}
        gone := old - new
        count(gone) > 0
        msg := sprintf("containers %%v are gone", [gone])
      }

      in_ranges(user) { range := input.parameters.ranges[_]; user >= range.min; user <= range.max }

      containers[c] { c := input.review.object.spec.containers[_] }
      containers[c] { c := input.review.object.spec.initContainers[_] }
      containers[c] { c := input.review.object.spec.ephemeralContainers[_] }
    libs:
    - |
      package lib.exempt

      is_exempt(container) {
        exempt := object.get(object.get(input, "parameters", {}), "exemptImages", [])
        image := container.image
        matches(exempt[_], image)
      }

      matches(exempt, image) { not endswith(exempt, "*"); exempt == image }
      matches(exempt, image) { endswith(exempt, "*"); prefix := trim_suffix(exempt, "*"); startswith(image, prefix) }
`
	for i := range templates {
		var text strings.Builder
		fmt.Fprintf(&text, template, i)
		for j := range constraints {
			fmt.Fprintf(&text, `---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: Needs%d
metadata: {name: c%d}
spec:
  enforcementAction: warn
  match:
    kinds: [{apiGroups: [""], kinds: [Pod]}]
    excludedNamespaces: [kube-system]
    labelSelector: {matchLabels: {app: a%d}}
  parameters:
    exemptImages: ["registry.example.com/*"]
    ranges: [{min: 1, max: 5}, {min: 10}]
`, i, j, j)
		}
		out = append(out, txtar.File{Name: fmt.Sprintf("t%d.yaml", i), Data: []byte(text.String())})
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
