package gatekeeper_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper"
)

func specs(t *testing.T, reader *gatekeeper.Reader, text string) []policies.Spec {
	t.Helper()
	reading := reader.Read(t.Context(), split(t, txtar.File{Name: "p.yaml", Data: []byte(text)}))
	if len(reading.Faults) > 0 {
		t.Fatal(reading.Faults)
	}
	return reading.Specs
}

func reads(expression, operations string) string {
	return `apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: reads}
spec:
  crd: {spec: {names: {kind: Reads}, validation: {legacySchema: true}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    operations: [` + operations + `]
    rego: |
      package reads
      violation[{"msg": "no"}] { ` + expression + ` }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: Reads
metadata: {name: a}
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: Reads
metadata: {name: b}
spec: {parameters: {x: 1}}
`
}

func TestOperations(t *testing.T) {
	for _, c := range []struct {
		reader, template []string
		want             []string
	}{
		{nil, []string{"DELETE"}, nil},
		{[]string{"CREATE", "UPDATE"}, nil, []string{"create", "update"}},
		{[]string{"CREATE", "UPDATE"}, []string{"DELETE"}, []string{"delete"}},
		{[]string{"CREATE", "UPDATE"}, []string{`"*"`}, nil},
	} {
		reader := &gatekeeper.Reader{Operations: c.reader}
		got := specs(t, reader, reads("true", strings.Join(c.template, ", ")))[0].Match.Operations
		if !slices.Equal(got, c.want) {
			t.Errorf("%v and %v make %v, want %v", c.reader, c.template, got, c.want)
		}
	}
}

// Constraints of one template share its code; a change of a constraint is none of the code, and each change is one of the digest.
func TestDigests(t *testing.T) {
	var reader gatekeeper.Reader
	before := specs(t, &reader, reads("true", ""))
	if before[0].Code == "" || before[0].Code != before[1].Code || before[0].Digest == before[1].Digest {
		t.Errorf("codes %q and %q, digests %q and %q", before[0].Code, before[1].Code, before[0].Digest, before[1].Digest)
	}
	same := specs(t, &reader, reads("true", ""))
	other := specs(t, &reader, strings.Replace(reads("true", ""), "x: 1", "x: 2", 1))
	rego := specs(t, &reader, reads("1 == 1", ""))
	switch {
	case same[0].Digest != before[0].Digest || same[1].Code != before[1].Code:
		t.Error("the same read twice is not the same")
	case other[0].Digest != before[0].Digest || other[1].Digest == before[1].Digest || other[1].Code != before[1].Code:
		t.Error("another parameter is not a change of that constraint alone")
	case rego[0].Digest == before[0].Digest || rego[0].Code == before[0].Code:
		t.Error("other Rego is no change")
	}
}

// The source is as far down as in its file, so that a rule's row leads to it.
func TestAConstraintHasTheSourceOfItsTemplate(t *testing.T) {
	var reader gatekeeper.Reader
	spec := specs(t, &reader, reads("true", ""))[0]
	rule := spec.Modules[0].Rules[0]
	if len(spec.Source) == 0 || spec.Source[0].File != rule.Location.File {
		t.Fatalf("the source is %+v", spec.Source)
	}
	if rows := strings.Split(string(spec.Source[0].Text), "\n"); len(rows) < rule.Location.Row || !strings.HasPrefix(strings.TrimSpace(rows[rule.Location.Row-1]), "violation") {
		t.Errorf("row %d of %q", rule.Location.Row, rows)
	}
}

// Suites call a constraint invalid of which a value does not fit the schema, and no other faulty one.
func TestErrSchema(t *testing.T) {
	for text, want := range map[string]bool{
		"spec: {match: {namespaces: a}}": true, "spec: {unknown: 1}": false, "spec: {enforcementAction: refuse}": false,
	} {
		docs := split(t, txtar.File{Name: "p.yaml", Data: []byte(strings.Replace(reads("true", ""), "spec: {parameters: {x: 1}}", text, 1))})
		faults := new(gatekeeper.Reader).Read(t.Context(), docs).Faults
		if len(faults) != 1 || errors.Is(faults, gatekeeper.ErrSchema) != want {
			t.Errorf("%s: %v", text, faults)
		}
	}
}
