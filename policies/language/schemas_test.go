package language_test

import (
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-dev/portcullis/policies/language"
)

func TestCheckSchemas(t *testing.T) {
	tests := map[string]struct{ schema, want string }{
		"by name":           {"schema.pod", ""},
		"of its own":        {`{type: object, properties: {id: {type: string}, a: {$ref: "#/definitions/b"}}, definitions: {b: {type: number}}}`, ""},
		"a file":            {`{$ref: "file:///etc/passwd"}`, `refers to "file:///etc/passwd"`},
		"a file, deep down": {`{properties: {a: {anyOf: [{type: string}, {$ref: "b.json"}]}}}`, `refers to "b.json"`},
		"a host":            {`{$ref: "https://example.com/schema.json"}`, `refers to "https://example.com/schema.json"`},
		"a base":            {`{$id: "file:///etc/", properties: {a: {$ref: "#/b"}}}`, `refers to "file:///etc/"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			module, err := ast.ParseModuleWithOpts("p.rego", "package p\n\n# METADATA\n# schemas:\n# - input: "+test.schema+"\nx if input.a",
				ast.ParserOptions{ProcessAnnotation: true})
			if err != nil {
				t.Fatal(err)
			}
			err = language.CheckSchemas(module)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("got %v", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "p.rego:3: ")):
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}
