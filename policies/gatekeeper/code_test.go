package gatekeeper

import (
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/policies/documents"
)

// What is wrong with a template has the code that Gatekeeper's users look for, however the message was put together.
func TestCodes(t *testing.T) {
	const whole = "apiVersion: templates.gatekeeper.sh/v1\nkind: ConstraintTemplate\nmetadata: {name: a}\nspec:\n  crd: {spec: {names: {kind: A}}}\n" +
		"  targets:\n  - target: admission.k8s.gatekeeper.sh\n    rego: |\n      package a\n      violation[{\"msg\": msg}] { msg := input.review.name }\n"
	for _, c := range []struct{ from, to, want string }{
		{"package a", "package a\n      violation[", "rego_parse_error"},
		{"msg := input", "msg := x.input", "rego_compile_error"},
		{"msg := input.review.name", "msg := f(input)", "rego_compile_error"},
		{"templates.gatekeeper.sh/v1", "templates.gatekeeper.sh/v2", "conversion_error"},
		{"names: {kind: A}", "names: {kind: [A]}", "conversion_error"},
		{"kind: A}", "kind: B}", ""},
		{"violation[", "violations[", ""},
	} {
		docs, err := documents.Split("f.yaml", []byte(strings.Replace(whole, c.from, c.to, 1)))
		if err != nil {
			t.Fatal(err)
		}
		faults := new(Reader).Read(t.Context(), docs).Faults
		if len(faults) != 1 || CodeOf(faults[0].Err) != c.want {
			t.Errorf("%s: %v has the code %q, want %q", c.to, faults, CodeOf(faults[0].Err), c.want)
		}
	}
}
