package native

import (
	"strings"
	"testing"
)

func TestFormatsThatNobodyHoldsTo(t *testing.T) {
	of := func(format string) string {
		return described("custom:", "  portcullis:", "    match: {resources: [pods]}", "    parameters:", "      properties:", "        a: {type: string, default: x, format: "+format+"}")
	}
	tell(t, []mistake{
		{
			"misspelt", "a.rego", of("time-zon"),
			"a.rego:7: policy a: the schema of the parameters: schema.properties.a: the format time-zon is not known; did you mean time-zone?",
		},
		{
			"of another program", "a.rego", of("int-or-string"),
			"a.rego:7: policy a: the schema of the parameters: schema.properties.a: the format int-or-string is not known; beside those of JSON schema there are " +
				"annotation-key, cidr, deadline, field-path, from-until, glob, label-key, label-value, namespace, namespace-glob, quantity, resource, time-zone and verb",
		},
		{
			"no text", "a.rego", of("1"),
			"a.rego:7: policy a: the schema of the parameters: schema.properties.a: the format 1 is not known; beside those of JSON schema there are " +
				"annotation-key, cidr, deadline, field-path, from-until, glob, label-key, label-value, namespace, namespace-glob, quantity, resource, time-zone and verb",
		},
	})
	for _, format := range standardFormats() { // those that are held to: the value x is none of most
		_, faults := read(t, "a.rego", of(format))
		if text := faults.Error(); strings.Contains(text, "not known") {
			t.Error(text)
		}
	}
}

// What is not of the type is for the type to refuse, and an example of each format is one.
func TestFormatsTakeWhatTheyAreFor(t *testing.T) {
	examples := map[string]any{
		"annotation-key": "Example.com/a_b", "cidr": "2001:db8::/32", "deadline": "2030-12-31T18:00:00Z", "field-path": []any{"spec", "type"},
		"from-until": map[string]any{"from": "2030-12-31T18:00:00Z"}, "glob": "a*", "label-key": "example.com/team", "label-value": "", "namespace": "shop",
		"namespace-glob": "*-shop-*", "quantity": "1.5Gi", "resource": "deployments.apps/scale", "time-zone": "Europe/Berlin", "verb": "impersonate:user-info",
	}
	for name, validate := range formats(nil) {
		for _, value := range []any{examples[name], 1, nil, true} {
			if err := validate(value); err != nil {
				t.Errorf("%s: %v: %v", name, value, err)
			}
		}
		if examples[name] == nil {
			t.Errorf("no example of %s", name)
		}
	}
}
