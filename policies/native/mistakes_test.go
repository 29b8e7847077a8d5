package native

import (
	"slices"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/review"
)

// mistake is a file with one mistake and the line that tells of it.
type mistake struct{ name, file, text, want string }

func tell(t *testing.T, mistakes []mistake) {
	t.Helper()
	for _, c := range mistakes {
		t.Run(c.name, func(t *testing.T) {
			specs, faults := read(t, c.file, c.text)
			if len(specs) > 0 || faults.Error() != c.want {
				t.Errorf("got %d policies and %s\nwant %s", len(specs), faults.Error(), c.want)
			}
		})
	}
}

// described is a policy in a.rego with these lines of METADATA, of which the first is in row 2.
func described(metadata ...string) string {
	return "# METADATA\n# " + strings.Join(metadata, "\n# ") + "\npackage a\n\ndeny contains \"no\"\n"
}

func TestMETADATAThatWouldNotReachTheServer(t *testing.T) {
	tell(t, []mistake{
		{
			"a letter less", "a.rego", described("custom:", "  portculis: {severity: low}"),
			"a.rego:3: custom.portculis is not known; did you mean custom.portcullis?",
		},
		{
			"another case", "a.rego", described("custom:", "  team: blue", "  Portcullis:", "    severity: low"),
			"a.rego:4: custom.Portcullis is not known; did you mean custom.portcullis?",
		},
		{
			"the group", "a.rego", described("custom: {portcullis.dev: {severity: low}}"),
			"a.rego:2: custom.portcullis.dev is not known; did you mean custom.portcullis?",
		},
		{
			"without custom", "a.rego", described("title: A", "portcullis:", "  severity: low"),
			"a.rego:3: portcullis is not known; did you mean custom.portcullis?",
		},
		{
			"custom", "a.rego", described("title: A", "costum:", "  portcullis: {severity: low}"),
			"a.rego:3: costum is not known; did you mean custom?",
		},
		{
			"on a rule", "a.rego", "package a\n\n# METADATA\n# custom:\n#   portcullis: {severity: low}\ndeny contains \"no\"\n",
			`a.rego:5: custom.portcullis is read in the METADATA of the package alone, and this has the scope rule; move it above the line "package a"`,
		},
		{
			"another first line", "a.rego", "# Metadata\n# custom:\n#   portcullis:\n#     severity: low\npackage a\n\ndeny contains \"no\"\n",
			`a.rego:3: this comment is not read as METADATA: that begins with the line "# METADATA" and has no gap`,
		},
		{
			"a gap", "a.rego", "# METADATA\n# title: A\n\n# custom:\n#   portcullis: {severity: low}\npackage a\n\ndeny contains \"no\"\n",
			`a.rego:5: this comment is not read as METADATA: that begins with the line "# METADATA" and has no gap`,
		},
		{
			"twice", "a.rego", described("custom:", "  portcullis: {severity: low}", "", "METADATA", "custom: {portcullis: {}}"),
			"a.rego:5: package a has a second METADATA with custom.portcullis",
		},
		{
			"another key", "a.rego", described("custom:", "  portcullis:", "    enforce: warn"),
			"a.rego:4: custom.portcullis.enforce is not known; the keys of custom.portcullis are " +
				"controls, data, enforcement, match, maxStaleness, onError, parameters and severity",
		},
		{
			"another case of a key", "a.rego", described("custom:", "  portcullis:", "    match:", "      Resources: [pods]"),
			"a.rego:5: custom.portcullis.match.Resources is not known; did you mean custom.portcullis.match.resources?",
		},
		{
			"a key that is right elsewhere", "a.rego", described("custom:", "  portcullis:", "    match:", "      resources: [pods]", "    resources: [pods]"),
			"a.rego:6: custom.portcullis.resources is not known; the keys of custom.portcullis are " +
				"controls, data, enforcement, match, maxStaleness, onError, parameters and severity",
		},
	})
	specs, faults := read(t, "a.rego", described("custom:", "  team: blue", "  portcullis: {severity: low}", "  kyverno.io: {x: 1}"))
	if len(faults) > 0 || len(specs) != 1 || specs[0].Lenient {
		t.Errorf("keys of others are not free: %v %v", specs, faults)
	}
}

func TestValuesOfTheWrongType(t *testing.T) {
	tell(t, []mistake{
		{"a list", "a.rego", described("custom:", "  portcullis: [low]"), "a.rego:3: custom.portcullis must be a map, not a list"},
		{"a text", "a.rego", described("custom:", "  portcullis: low"), "a.rego:3: custom.portcullis must be a map, not a text"},
		{"custom", "a.rego", described("title: A", "custom: [portcullis]", "description: B"), "a.rego:3: METADATA must have a map here"},
		{"title", "a.rego", described("title: [A]"), "a.rego:2: METADATA must have a text here"},
		{"METADATA", "a.rego", described("- title"), "a.rego:2: METADATA must have a map here"},
		{
			"number", "a.rego", described("custom:", "  portcullis:", "    severity: 3"),
			"a.rego:4: custom.portcullis.severity must be a text, not a number; put it in quotes",
		},
		{
			"text for a list", "a.rego", described("custom:", "  portcullis:", "    match:", "      resources: pods"),
			"a.rego:5: custom.portcullis.match.resources must be a list of texts, not a text",
		},
		{
			"entry of a list", "a.rego", described("custom:", "  portcullis:", "    match:", "      resources:", "      - pods", "      - 5"),
			"a.rego:7: an entry of custom.portcullis.match.resources must be a text, not a number; put it in quotes",
		},
		{
			"list in a list", "a.rego", described("custom:", "  portcullis:", "    controls: [[x]]"),
			"a.rego:4: an entry of custom.portcullis.controls must be a text, not a list",
		},
		{
			"stage", "a.rego", described("custom:", "  portcullis:", "    match: {stage: 5}"),
			"a.rego:4: custom.portcullis.match.stage must be a text or a list of texts, not a number",
		},
		{
			"stages", "a.rego", described("custom:", "  portcullis:", "    match: {stage: [guard, 5]}"),
			"a.rego:4: an entry of custom.portcullis.match.stage must be a text, not a number; put it in quotes",
		},
		{
			"label", "a.rego", described("custom:", "  portcullis:", "    match:", "      labels: {matchLabels: {", "        a: b,", "        on: true}}"),
			"a.rego:7: an entry of custom.portcullis.match.labels.matchLabels must be a text, not a boolean; put it in quotes",
		},
		{
			"name", "p.yaml", "apiVersion: portcullis.dev/v1alpha1\nkind: Policy\nmetadata:\n  name: 5\n",
			"p.yaml:4: metadata.name must be a text, not a number; put it in quotes",
		},
		{
			"namespace", "p.yaml", "apiVersion: portcullis.dev/v1alpha1\nkind: Policy\nmetadata:\n  name: a\n  namespace: true\n",
			"p.yaml:5: metadata.namespace must be a text, not a boolean; put it in quotes",
		},
		{"metadata", "p.yaml", "apiVersion: portcullis.dev/v1alpha1\nkind: Policy\nmetadata: mine\n", "p.yaml:3: metadata must be a map, not a text"},
		{"spec", "p.yaml", "apiVersion: portcullis.dev/v1alpha1\nkind: Policy\nmetadata: {name: a}\nspec: [a]\n", "p.yaml:4: spec must be a map, not a list"},
		{"use", "p.yaml", "x: 1\n---\n" + policy("  use: [pods.privileged]\n"), "p.yaml:7: spec.use must be a text, not a list"},
		{
			"no in a list", "p.yaml", policy("  use: deployments.replicas\n  match: {namespaces: [no]}\n"),
			"p.yaml:6: an entry of spec.match.namespaces must be a text, not a boolean; put it in quotes",
		},
		{
			"through an alias", "p.yaml", policy("  use: deployments.replicas\n  match: {namespaces: &a [1], excludeNamespaces: *a}\n"),
			"p.yaml:6: an entry of spec.match.excludeNamespaces must be a text, not a number; put it in quotes",
		},
	})
}

func TestDocumentsThatAreMeantForPolicies(t *testing.T) {
	rest := "\nmetadata: {name: mine}\nspec: {use: deployments.replicas}\n"
	tell(t, []mistake{
		{
			"group", "p.yaml", "kind: Policy\napiVersion: portculis.dev/v1alpha1" + rest,
			"p.yaml:2: apiVersion portculis.dev/v1alpha1 is not known; did you mean portcullis.dev/v1alpha1?",
		},
		{
			"another domain", "p.yaml", "kind: Policy\napiVersion: portcullis.io/v1" + rest,
			"p.yaml:2: apiVersion portcullis.io/v1 is not known; did you mean portcullis.dev/v1alpha1?",
		},
		{
			"group alone", "p.yaml", "kind: Policy\napiVersion: portcullis.dev" + rest,
			"p.yaml:2: portcullis.dev is served with kinds Policy and PolicyException in version v1alpha1",
		},
		{
			"version", "p.yaml", "kind: Policy\napiVersion: portcullis.dev/v1beta1" + rest,
			"p.yaml:2: portcullis.dev is served with kinds Policy and PolicyException in version v1alpha1",
		},
		{
			"version alone", "p.yaml", "kind: Policy\napiVersion: v1alpha1" + rest,
			`p.yaml:2: a document of kind Policy needs its apiVersion; write "apiVersion: portcullis.dev/v1alpha1"`,
		},
		{
			"no apiVersion", "p.yaml", "a: 1\n---\nkind: Policy" + rest,
			`p.yaml:3: a document of kind Policy needs its apiVersion; write "apiVersion: portcullis.dev/v1alpha1"`,
		},
		{
			"apiVersion that is a number", "p.yaml", "kind: Policy\napiVersion: 1" + rest,
			`p.yaml:2: a document of kind Policy needs its apiVersion; write "apiVersion: portcullis.dev/v1alpha1"`,
		},
		{
			"kind", "p.yaml", "apiVersion: portcullis.dev/v1alpha1\nkind: Polcy" + rest,
			"p.yaml:2: portcullis.dev is served with kinds Policy and PolicyException in version v1alpha1",
		},
		{
			"kind that is a number", "p.yaml", "apiVersion: portcullis.dev/v1alpha1\nkind: 5" + rest,
			"p.yaml:2: portcullis.dev is served with kinds Policy and PolicyException in version v1alpha1",
		},
		{
			"no kind", "p.yaml", "apiVersion: portcullis.dev/v1alpha1" + rest,
			"p.yaml:1: portcullis.dev is served with kinds Policy and PolicyException in version v1alpha1",
		},
		{
			"case of apiVersion", "p.yaml", "kind: Policy\napiversion: portcullis.dev/v1alpha1" + rest,
			"p.yaml:2: apiversion is not known; did you mean apiVersion?",
		},
		{"case of kind", "p.yaml", "Kind: Policy\napiVersion: portcullis.dev/v1alpha1" + rest, "p.yaml:1: Kind is not known; did you mean kind?"},
		{
			"case of spec", "p.yaml", "kind: Policy\napiVersion: portcullis.dev/v1alpha1\nmetadata: {name: mine}\nSpec: {use: deployments.replicas}\n",
			"p.yaml:4: Spec is not known; did you mean spec?",
		},
		{
			"unknown at the top", "p.yaml", "kind: Policy\napiVersion: portcullis.dev/v1alpha1\nrules: []" + rest,
			"p.yaml:3: rules is not known; the keys of the document are apiVersion, kind, metadata, spec and status",
		},
		{
			"unknown and not printable", "p.yaml", policy("  \"a\\nb\": 1\n"),
			`p.yaml:5: spec."a\nb" is not known; the keys of spec are enforcement, match, onError, parameters, rego and use`,
		},
		{"unknown by a merge key", "p.yaml", policy("  <<: {usage: x}\n"), `p.yaml:1: the document: unknown field "usage"`},
		{
			"a second document behind dots", "p.yaml", "a: 1\n---\nb: 1\n...\n" + policy("  use: deployments.replicas\n"),
			`p.yaml:4: what follows "..." is not read; begin another document with "---"`,
		},
		{
			"the name at the top", "p.yaml", "kind: Policy\napiVersion: portcullis.dev/v1alpha1\nname: a" + rest,
			"p.yaml:3: name is not known; the keys of the document are apiVersion, kind, metadata, spec and status",
		},
	})
	for _, other := range []string{
		"kind: Policy\napiVersion: kyverno.io/v1\n", "kind: Policy\napiVersion: audit.k8s.io/v1\n", "kind: Pod\napiVersion: v1\n",
		"kind: Widget\napiVersion: example.com/v1\n", "- a\n- list\n", "just a text\n", "a: 1\n...\n", "a: 1\n...\n# the end\n",
	} {
		if specs, faults := read(t, "p.yaml", other); len(specs)+len(faults) > 0 {
			t.Errorf("%s: %v %v", other, specs, faults)
		}
	}
}

func TestPackagesThatNothingWouldAsk(t *testing.T) {
	tell(t, []mistake{
		{
			"mutate", "a.rego", "package a\n\nx := 1\n\nmutate contains {\"default\": [\"a\"], \"value\": x}\n",
			`a.rego:5: package a defines mutate and has no METADATA, without which it is not asked; put three lines like these before the package: ` +
				`"# METADATA", "# custom:", "#   portcullis: {match: {resources: [pods]}}"`,
		},
		{
			"user", "a.rego", "package a\n\nuser := {\"username\": \"x\"} if input.spec.token == \"t\"\n",
			`a.rego:3: package a defines user and has no METADATA, without which it is not asked; put three lines like these before the package: ` +
				`"# METADATA", "# custom:", "#   portcullis: {severity: high}"`,
		},
		{
			"allow", "a.rego", "package a\n\ndefault allow := false\n\nallow if input.spec.user == \"x\"\n",
			`a.rego:3: package a defines allow and has no METADATA, without which it is not asked; put three lines like these before the package: ` +
				`"# METADATA", "# custom:", "#   portcullis: {match: {stage: grant}}"`,
		},
		{
			"allow by the helper alone", "a.rego", "package a\n\nimport data.portcullis.kubernetes\n\nallow if \"ops\" in kubernetes.groups\n",
			`a.rego:5: package a defines allow and has no METADATA, without which it is not asked; put three lines like these before the package: ` +
				`"# METADATA", "# custom:", "#   portcullis: {match: {stage: grant}}"`,
		},
		{
			"user by the helper alone", "a.rego", "package a\n\nuser := {\"username\": \"x\"} if data.portcullis.kubernetes.username == \"\"\n",
			`a.rego:3: package a defines user and has no METADATA, without which it is not asked; put three lines like these before the package: ` +
				`"# METADATA", "# custom:", "#   portcullis: {severity: high}"`,
		},
		{
			"violation", "a.rego", "package a\n\nviolation contains {\"msg\": \"no\"} if input.review.object.bad\n",
			`a.rego:3: package a defines violation, which is asked of Gatekeeper's templates alone: put the package into a ConstraintTemplate, or ` +
				`rename the rule to deny, and let it read input.request where it reads input.review`,
		},
		{
			"violation beside deny", "a.rego", "package a\n\ndeny contains \"no\"\n\nviolation contains \"no\"\n",
			`a.rego:5: package a defines violation, which is asked of Gatekeeper's templates alone: put the package into a ConstraintTemplate, or ` +
				`rename the rule to deny, and let it read input.request where it reads input.review`,
		},
		{
			"violation with METADATA", "a.rego", "# METADATA\n# custom: {portcullis: {}}\npackage a\n\nviolation contains \"no\"\n",
			"a.rego:5: policy a: the package defines none of the rules asked at stage admission: deny, warn or mutate, or user for tokens; " +
				"did you mean deny by violation?",
		},
		{
			"deny misspelt", "a.rego", "# METADATA\n# custom: {portcullis: {}}\npackage a\n\nx := 1\n\ndenny contains \"no\" if x == 1\n",
			"a.rego:7: policy a: the package defines none of the rules asked at stage admission: deny, warn or mutate, or user for tokens; " +
				"did you mean deny by denny?",
		},
		{
			"mutate misspelt", "a.rego", "# METADATA\n# custom: {portcullis: {}}\npackage a\n\nmutates contains {}\n",
			"a.rego:5: policy a: the package defines none of the rules asked at stage admission: deny, warn or mutate, or user for tokens; " +
				"did you mean mutate by mutates?",
		},
		{
			"warn misspelt", "a.rego", "# METADATA\n# custom: {portcullis: {}}\npackage a\n\nwran contains \"no\"\n",
			"a.rego:5: policy a: the package defines none of the rules asked at stage admission: deny, warn or mutate, or user for tokens; " +
				"did you mean warn by wran?",
		},
		{
			"nothing near", "a.rego", "# METADATA\n# custom: {portcullis: {}}\npackage a\n\nrefuse contains \"no\"\n",
			"a.rego:3: policy a: the package defines none of the rules asked at stage admission: deny, warn or mutate, or user for tokens",
		},
		{
			"a function", "a.rego", "# METADATA\n# custom: {portcullis: {}}\npackage a\n\ndeny(x) := x\n",
			"a.rego:3: policy a: the package defines none of the rules asked at stage admission: deny, warn or mutate, or user for tokens",
		},
		{
			"guard", "a.rego", "# METADATA\n# custom:\n#   portcullis:\n#     match:\n#       stage: guard\npackage a\n\nwarn contains \"no\"\n",
			"a.rego:5: policy a: the package defines none of the rules asked at stage guard: deny",
		},
		{
			"grant", "a.rego", "# METADATA\n# custom: {portcullis: {match: {stage: grant}}}\npackage a\n\nallows if true\n",
			"a.rego:5: policy a: the package defines none of the rules asked at stage grant: allow; did you mean allow by allows?",
		},
		{
			"two stages", "a.rego", "# METADATA\n# custom: {portcullis: {match: {stage: [admission, image]}}}\npackage a\n\nx := 1\n",
			"a.rego:2: policy a: the package defines none of the rules asked at stage admission and image: deny, warn or mutate, or user for tokens",
		},
	})
}

func TestHelpersAreNotTakenForPolicies(t *testing.T) {
	for name, text := range map[string]string{
		"rules and functions":         "package lib\n\nx := input.request.object\n\nf(y) := y\n",
		"user of a request":           "package lib\n\nuser := input.request.userInfo.username\n",
		"allow without access":        "package lib\n\nallow if input.request.operation == \"DELETE\"\n",
		"allow of another program":    "package httpapi.authz\n\ndefault allow := false\n\nallow if input.method == \"GET\"\n",
		"allow of what is asked for":  "package lib\n\nimport data.portcullis.kubernetes\n\nallow if kubernetes.groups[_] == input.request.object.owner\n",
		"a constant":                  "package lib\n\nuser := \"admin\"\n",
		"functions of the names":      "package lib\n\ndeny(x) := x\n\nmutate(x) := x\n\nuser(x) := x if x == input.spec\n",
		"a violation others refer to": "package lib\n\nviolation contains \"no\"\n\nrefusals := {v | some v in violation}\n",
	} {
		t.Run(name, func(t *testing.T) {
			if specs, faults := read(t, "lib.rego", text); len(specs)+len(faults) > 0 {
				t.Errorf("%v %v", specs, faults)
			}
		})
	}
	t.Run("another package refers to it", func(t *testing.T) {
		const lib = "package lib\n\nimport data.portcullis.kubernetes\n\nallow if \"ops\" in kubernetes.groups\n\nuser := input.spec.user\n"
		for _, refers := range []string{"not data.lib.allow", "data.lib.user == \"x\""} {
			specs, faults := read(t, "lib.rego", lib, "a.rego", saying("match: {stage: guard}", "deny contains \"no\" if "+refers))
			if len(faults) > 0 || len(specs) != 1 {
				t.Errorf("%s: %v %v", refers, specs, faults)
			}
		}
	})
	t.Run("a document puts it in force", func(t *testing.T) {
		specs, faults := read(t, "a.rego", "package team.a\n\nmutate contains {\"default\": [\"a\"], \"value\": 1}\n",
			"p.yaml", policy("  use: team.a\n  match: {resources: [pods]}\n"))
		if len(faults) > 0 || len(specs) != 1 || specs[0].ID != "mine" {
			t.Errorf("%v %v", specs, faults)
		}
	})
}

// A rule user beside deny makes a token policy only of a package that is about tokens.
func TestUserIsAHelperElsewhere(t *testing.T) {
	const meta = "# METADATA\n# custom: {portcullis: {%}}\n"
	deny := "package a\n\nuser := input.request.userInfo\n\ndeny contains \"no\" if user.username == \"x\"\n"
	spec := "package a\n\nuser := input.spec.user\n\ndeny contains \"no\" if user == \"x\"\n"
	token := "package a\n\nuser := {\"username\": \"x\"}\n\ndeny contains \"no\" if input.spec.token == \"x\"\n"
	for _, c := range []struct {
		name, text string
		want       []policies.Rule
	}{
		{"written for OPA", deny, []policies.Rule{{Stage: review.Validate, Name: "deny"}}},
		{"at admission", strings.ReplaceAll(meta, "%", "match: {resources: [pods]}") + deny, []policies.Rule{{Stage: review.Validate, Name: "deny"}}},
		{"at guard", strings.ReplaceAll(meta, "%", "match: {stage: guard}") + spec, []policies.Rule{{Stage: review.Guard, Name: "deny"}}},
		{
			"about tokens", strings.ReplaceAll(meta, "%", "") + token,
			[]policies.Rule{{Stage: review.Authenticate, Name: "user"}, {Stage: review.Authenticate, Name: "deny"}},
		},
		{
			"nothing else", strings.ReplaceAll(meta, "%", "") + "package a\n\nuser := {\"username\": \"x\"}\n",
			[]policies.Rule{{Stage: review.Authenticate, Name: "user"}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			specs, faults := read(t, "a.rego", c.text)
			if len(faults) > 0 || len(specs) != 1 || !slices.Equal(specs[0].Rules, c.want) {
				t.Errorf("%+v %v", specs, faults)
			}
		})
	}
}
