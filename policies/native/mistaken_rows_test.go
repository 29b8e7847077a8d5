package native

import (
	"testing"
)

func TestParametersThatTheSchemaDoesNotName(t *testing.T) {
	body := func(schema, rest string) string {
		return "# METADATA\n# custom:\n#   portcullis:\n#     parameters: " + schema + "\npackage a\n\n" + rest + "\n"
	}
	const schema = "{type: object, properties: {message: {type: string, default: no}, labels: {type: array, default: []}}}"
	tell(t, []mistake{
		{
			"misspelt", "a.rego", body(schema, "deny contains input.parameters.message if {\n\tsome l in input.parameters.lables\n\tl\n}"),
			"a.rego:8: policy a: input.parameters.lables is not in the schema of this policy's parameters: labels, message",
		},
		{
			"closed by itself", "a.rego", body("{additionalProperties: false, properties: {a: {}}}", "deny contains input.parameters[\"b\"].c"),
			"a.rego:7: policy a: input.parameters.b is not in the schema of this policy's parameters: a",
		},
		{
			"in a function", "a.rego", body(schema, "deny contains f(1)\n\nf(x) := x + input.parameters.max"),
			"a.rego:9: policy a: input.parameters.max is not in the schema of this policy's parameters: labels, message",
		},
		{
			"object.get", "a.rego", body(schema, "deny contains object.get(input.parameters, \"mesage\", \"no\")"),
			"a.rego:7: policy a: input.parameters.mesage is not in the schema of this policy's parameters: labels, message",
		},
		{
			"object.get as an expression", "a.rego", body(schema, "deny contains x if object.get(input.parameters, \"mesage\", \"no\", x)"),
			"a.rego:7: policy a: input.parameters.mesage is not in the schema of this policy's parameters: labels, message",
		},
		{
			"imported", "a.rego", body(schema, "import input.parameters as p\n\ndeny contains p.mesage"),
			"a.rego:9: policy a: input.parameters.mesage is not in the schema of this policy's parameters: labels, message",
		},
		{
			"one imported", "a.rego", body(schema, "import input.parameters.mesage\n\ndeny contains mesage"),
			"a.rego:7: policy a: input.parameters.mesage is not in the schema of this policy's parameters: labels, message",
		},
		{
			"no schema", "a.rego", described("custom: {portcullis: {}}") + "\nwarn contains input.parameters.a\n",
			"a.rego:7: policy a: input.parameters.a is read, but the METADATA has no schema of parameters; add one that names it",
		},
	})
	for name, text := range map[string]string{
		"named":             body(schema, "deny contains input.parameters.message"),
		"by a variable":     body(schema, "deny contains x if some k, x in input.parameters\n\ndeny contains input.parameters[k] if k := \"b\""),
		"open":              body("{additionalProperties: {type: string}}", "deny contains input.parameters.other"),
		"by a pattern":      body("{additionalProperties: false, patternProperties: {\"^x\": {}}}", "deny contains input.parameters.xy"),
		"object.get of one": body(schema, "deny contains object.get(input.parameters, \"message\", \"no\")"),
		"without METADATA":  "package a\n\ndeny contains input.parameters.a\n",
	} {
		t.Run(name, func(t *testing.T) {
			if specs, faults := read(t, "a.rego", text); len(faults) > 0 || len(specs) != 1 {
				t.Errorf("%v %v", specs, faults)
			}
		})
	}
}

// A mistake is told of at its own row, in whichever file it is.
func TestMistakesHaveTheRowOfTheirKey(t *testing.T) {
	tell(t, []mistake{
		{
			"in a list", "a.rego", described("title: A", "custom:", "  portcullis:", "    match:", "      resources:", "      - pods", "      - podz"),
			`a.rego:8: policy a: match.resources: "podz" is not a resource built into Kubernetes; if it is a custom resource, write it with its group, "podz.example.com"`,
		},
		{
			"operation", "a.rego", described("custom:", "  portcullis:", "    match:", "      resources: [pods]", "      operations: [PATCH]", "    severity: low"),
			`a.rego:6: policy a: match.operations: "PATCH" is none of CREATE, UPDATE, DELETE, CONNECT and "*"`,
		},
		{
			"one stage of two", "a.rego", described("custom:", "  portcullis:", "    match:", "      stage:", "      - image", "      - imag"),
			`a.rego:7: policy a: stage "imag" is none of admission, guard, grant and image`,
		},
		{
			"groups", "a.rego", described("custom:", "  portcullis:", "    match:", "      namespaces: [a]", "      groups: [a]"),
			"a.rego:6: policy a: match.users and match.groups are for the stages guard and grant",
		},
		{
			"labels", "a.rego", described("custom:", "  portcullis:", "    match:", "      namespaceLabels:", "        matchExpressions: [{key: a, operator: Is}]"),
			`a.rego:5: policy a: match.namespaceLabels: "Is" is not a valid label selector operator`,
		},
		{
			"schema", "a.rego", described("custom:", "  portcullis:", "    parameters:", "      properties:", "        a: {type: string}", "        b:", "          type: strin"),
			"a.rego:8: policy a: the schema of the parameters is not a JSON schema: schema.properties.b.type: value must be one of " +
				"'array', 'boolean', 'integer', 'null', 'number', 'object', 'string'",
		},
		{
			"default", "a.rego", described("custom:", "  portcullis:", "    severity: low", "    parameters:", "      properties: {a: {type: string, default: 1}}"),
			"a.rego:5: policy a: parameters.a: got number, want string",
		},
		{
			"onError", "a.rego", described("custom:", "  portcullis:", "    severity: low", "    onError: ignore"),
			`a.rego:5: policy a: onError "ignore" is none of deny, warn and allow`,
		},
		{
			"second document", "p.yaml", "# first\na: 1\n---\n# second\n\n" + policy("  use: deployments.replicas\n  parameters:\n    names:\n    - a\n    - 1\n"),
			"p.yaml:14: Policy mine: parameters.names.1: got number, want string",
		},
		{
			"behind a mark", "p.yaml", "---\n---\n" + policy("  use: deployments.replicas\n  onError: no\n"),
			"p.yaml:8: spec.onError must be a text, not a boolean; put it in quotes",
		},
		{
			"match of a document", "p.yaml", policy("  use: deployments.replicas\n  parameters: {names: []}\n  match:\n    namespaces: [a]\n    resources: [Pod]\n"),
			`p.yaml:9: Policy mine: match.resources: "Pod" is not a resource; write a plural in lower case such as "pods", "deployments.apps" or "pods/exec", ` +
				`all of a group such as "apps/*", "workloads", or "*"`,
		},
		{
			"enforcement of a document", "p.yaml", policy("  use: deployments.replicas\n  parameters: {names: []}\n  enforcement: block\n"),
			`p.yaml:7: Policy mine: enforcement "block" is none of deny, warn, audit and off`,
		},
		{"Rego in a document", "p.yaml", policy("  enforcement: deny\n  rego: |\n    # METADATA\n    # custom:\n    #   portcullis:\n    #     severity: none\n" +
			"    package mine\n\n    deny contains 1\n"), `p.yaml:10: custom.portcullis: severity "none" is none of low, medium, high and critical`},
		{
			"parameters where none are taken", "p.yaml", policy("  parameters: {a: 1}\n  rego: |\n    package mine\n\n    deny contains 1\n"),
			"p.yaml:5: Policy mine: parameters are given, but the policy takes none",
		},
		{
			"JSON", "p.json", "{\n  \"apiVersion\": \"portcullis.dev/v1alpha1\",\n  \"kind\": \"Policy\",\n  \"metadata\": {\"name\": \"mine\"},\n" +
				"  \"spec\": {\n    \"use\": \"deployments.replicas\",\n    \"onEror\": \"deny\"\n  }\n}\n",
			"p.json:7: spec.onEror is not known; did you mean spec.onError?",
		},
	})
	t.Run("METADATA of the policy a document uses", func(t *testing.T) {
		_, faults := read(t, "a.rego", described("custom:", "  portcullis:", "    enforcement: off", "    match: {resources: [podz]}"),
			"p.yaml", policy("  use: a\n  match: {namespaces: [b]}\n"))
		const message = `match.resources: "podz" is not a resource built into Kubernetes; if it is a custom resource, write it with its group, "podz.example.com"`
		if want := "a.rego:5: policy a: " + message + "\na.rego:5: Policy mine: " + message; faults.Error() != want {
			t.Errorf("got %s\nwant %s", faults.Error(), want)
		}
	})
}
