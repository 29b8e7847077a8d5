package native

import (
	"slices"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/policies"
)

// saying is a policy in a.rego whose METADATA says says under custom.portcullis, in row 3, and whose rules begin in row 6.
func saying(says, rules string) string {
	return "# METADATA\n# custom:\n#   portcullis: {" + says + "}\npackage a\n\n" + rules + "\n"
}

func TestWhatNoReviewHas(t *testing.T) {
	const admission = "what is below input is apiVersion, kind, namespace, parameters and request, and the object is input.request.object"
	tell(t, []mistake{
		{
			"misspelt", "a.rego", saying("severity: low", "deny contains \"no\" if input.requset.object.x"),
			"a.rego:6: policy a: input.requset is never there; did you mean input.request?",
		},
		{
			"misspelt below", "a.rego", saying("severity: low", "deny contains \"no\" if input.request.objct.x"),
			"a.rego:6: policy a: input.request.objct is never there; did you mean input.request.object?",
		},
		{
			"Gatekeeper", "a.rego", saying("severity: low", "deny contains \"no\" if input.review.object.x"),
			"a.rego:6: policy a: input.review is never there at stage admission; " + admission,
		},
		{
			"the object alone", "a.rego", saying("severity: low", "deny contains \"no\" if input.spec.replicas > 3"),
			"a.rego:6: policy a: input.spec is never there at stage admission; " + admission,
		},
		{
			"v1beta1", "a.rego", saying("match: {stage: guard}", "deny contains \"no\" if \"x\" in input.spec.group"),
			"a.rego:6: policy a: input.spec.group is never there; did you mean input.spec.groups?",
		},
		{
			"user", "a.rego", saying("match: {stage: guard}", "deny contains \"no\" if input.spec.username == \"x\""),
			"a.rego:6: policy a: input.spec.username is never there at stage guard; what is below input.spec is " +
				"extra, groups, nonResourceAttributes, resourceAttributes, uid and user",
		},
		{
			"another stage", "a.rego", saying("match: {stage: guard}", "deny contains \"no\" if \"x\" in input.request.userInfo.groups"),
			"a.rego:6: policy a: input.request is never there at stage guard; what is below input is " +
				"apiVersion, kind, metadata, namespace, parameters, spec and status",
		},
		{
			"a token", "a.rego", saying("severity: low", "user := {\"username\": input.spec.user} if input.spec.token"),
			"a.rego:6: policy a: input.spec.user is never there in the review of a token; what is below input.spec is audiences and token",
		},
		{
			"two stages", "a.rego", saying("match: {stage: [admission, image]}", "deny contains \"no\" if input.spec.image"),
			"a.rego:6: policy a: input.spec.image is never there at stage admission and image; what is below input.spec is annotations, containers and namespace",
		},
		{
			"imported", "a.rego", saying("severity: low", "import input.request as r\n\ndeny contains \"no\" if r.objct"),
			"a.rego:8: policy a: input.request.objct is never there; did you mean input.request.object?",
		},
		{
			"object.get", "a.rego", saying("match: {stage: guard}", "deny contains \"no\" if object.get(input, [\"spec\", \"group\"], []) == []"),
			"a.rego:6: policy a: input.spec.group is never there; did you mean input.spec.groups?",
		},
		{
			"without METADATA", "a.rego", "package a\n\ndeny contains \"no\" if input.spec.replicas\n",
			"a.rego:3: policy a: input.spec is never there at stage admission; " + admission,
		},
		{
			"Conftest", "a.rego", "package main\n\ndeny[msg] {\n\tinput.kind == \"Deployment\"\n\tmsg := \"no\"\n}\n",
			`a.rego:4: policy main: input.kind is the kind of the review, AdmissionReview, and never "Deployment"; that of the object is input.request.kind.kind`,
		},
		{
			"the kind at a guard", "a.rego", saying("match: {stage: guard}", "deny contains \"no\" if \"Secret\" != input.kind"),
			`a.rego:6: policy a: input.kind is the kind of the review, SubjectAccessReview, and never "Secret"`,
		},
	})
	_, faults := read(t, "a.rego", saying("severity: low", "import data.lib\n\ndeny contains \"no\" if lib.x"), "lib.rego", "package lib\n\nx := input.requset\n")
	if want := "lib.rego:3: policy a: input.requset is never there; did you mean input.request?"; faults.Error() != want {
		t.Errorf("in a package that is imported: %s", faults)
	}
	_, faults = read(t, "a.rego", saying("severity: low", "import data.lib\n\ndeny contains \"no\" if lib.x"), "lib.rego", "package lib\n\nx := input.review\n")
	if want := "lib.rego:3: policy a: input.review is never there at any stage; what is below input is " +
		"apiVersion, kind, metadata, namespace, parameters, request, spec and status, and the object is input.request.object"; faults.Error() != want {
		t.Errorf("in a package that is imported: %s", faults)
	}
}

func TestWhatReviewsHave(t *testing.T) {
	for name, text := range map[string]string{
		"all of a token":        saying("severity: low", "user := {\"username\": input.spec.token, \"audiences\": input.spec.audiences} if input.kind == \"TokenReview\""),
		"by a variable":         saying("severity: low", "deny contains \"no\" if {\n\tsome k in [\"x\"]\n\tinput.request[k]\n}"),
		"OPA and Gatekeeper":    "package a\n\ndeny contains \"no\" if object.bad\n\nobject := input.request.object if input.request.uid\n\nelse := input.review.object\n",
		"below, for OPA":        "package a\n\ndeny contains \"no\" if input.request.mine\n",
		"a test":                saying("severity: low", "deny contains \"no\" if input.request.object.x\n\ntest_x if deny with input as {\"request\": {}}\n\ntest_y if input.xs with input.xs as 1"),
		"an input of its own":   saying("severity: low", "deny contains \"no\" if count(bad) > 0 with input as {\"images\": input.request.object.images}\n\nbad contains x if some x in input.images"),
		"all stages' in a lib":  saying("severity: low", "import data.portcullis.kubernetes\n\ndeny contains \"no\" if kubernetes.object.x == input.namespace.metadata.name"),
		"the kind of no stages": saying("severity: low", "deny contains \"no\" if input.kind == input.request.object.kind"),
	} {
		t.Run(name, func(t *testing.T) {
			if specs, faults := read(t, "a.rego", text); len(faults) > 0 || len(specs) != 1 {
				t.Errorf("%v %v", specs, faults)
			}
		})
	}
}

func TestConditionsThatNothingMeets(t *testing.T) {
	deny := "deny contains \"no\""
	match := func(says string) string { return saying("match: {"+says+"}", deny) }
	tell(t, []mistake{
		{"exec", "a.rego", match("resources: [pods/exec]"), `a.rego:3: policy a: match.resources: "pods/exec" is only connected to; write "operations: [CONNECT]", or "stage: guard" for a guard`},
		{"exec of core", "a.rego", match("resources: [pods, pods.core/exec], operations: [CREATE]"), `a.rego:3: policy a: match.resources: "pods.core/exec" is only connected to; write "operations: [CONNECT]", or "stage: guard" for a guard`},
		{"CONNECT", "a.rego", match(`resources: ["*"], operations: [CONNECT]`), `a.rego:3: policy a: match.operations: CONNECT is of subresources alone, and match.resources names none that is connected to, such as "pods/exec"`},
		{"CONNECT to pods", "a.rego", match("resources: [pods], operations: [CREATE, CONNECT]"), `a.rego:3: policy a: match.operations: CONNECT is of subresources alone, and match.resources names none that is connected to, such as "pods/exec"`},
		{"subresource", "a.rego", match("resources: [pods/exce], operations: [CONNECT]"), `a.rego:3: policy a: match.resources: "pods/exce" is not a subresource built into Kubernetes; did you mean "pods/exec"?`},
		{"subresource at guard", "a.rego", match("resources: [pods/exce], stage: guard"), `a.rego:3: policy a: match.resources: "pods/exce" is not a subresource built into Kubernetes; did you mean "pods/exec"?`},
		{"scale", "a.rego", match("resources: [deployments/scal]"), `a.rego:3: policy a: match.resources: "deployments/scal" is not a subresource built into Kubernetes; did you mean "deployments/scale"?`},
		{"none near", "a.rego", match("resources: [services/exec]"), `a.rego:3: policy a: match.resources: "services/exec" is not a subresource built into Kubernetes; those of services are proxy and status`},
		{"version", "a.rego", match("resources: [deployments.v1]"), `a.rego:3: policy a: match.resources: "deployments.v1" has a version; resources are named without, write "deployments.apps"`},
		{"version and group", "a.rego", match("resources: [deployments.v1.apps]"), `a.rego:3: policy a: match.resources: "deployments.v1.apps" has a version; resources are named without, write "deployments.apps"`},
		{"group", "a.rego", match("resources: [deployments.app]"), `a.rego:3: policy a: match.resources: "deployments.app" is not a resource built into Kubernetes; did you mean "deployments.apps"?`},
		{"old group", "a.rego", match("resources: [deployments.extensions]"), `a.rego:3: policy a: match.resources: "deployments.extensions" is not a resource built into Kubernetes; did you mean "deployments.apps"?`},
		{"plural in a group", "a.rego", match("resources: [deploymnets.apps]"), `a.rego:3: policy a: match.resources: "deploymnets.apps" is not a resource built into Kubernetes; did you mean "deployments.apps"?`},
		{"plural in core", "a.rego", match("resources: [secret.core]"), `a.rego:3: policy a: match.resources: "secret.core" is not a resource built into Kubernetes; did you mean "secrets"?`},
		{"group with dots", "a.rego", match("resources: [ingresses.networking.k8s.oi]"), `a.rego:3: policy a: match.resources: "ingresses.networking.k8s.oi" is not a resource built into Kubernetes; did you mean "ingresses.networking.k8s.io"?`},
		{"unknown in a near group", "a.rego", match("resources: [things.networking.k8s.oi]"), `a.rego:3: policy a: match.resources: "things.networking.k8s.oi" is of a group that is not known; did you mean "things.networking.k8s.io"?`},
		{"all of a near group", "a.rego", match(`resources: ["networking.k8s.oi/*"]`), `a.rego:3: policy a: match.resources: "networking.k8s.oi/*" is of a group that is not known; did you mean "networking.k8s.io/*"?`},
		{"group without a dot", "a.rego", match("resources: [widgets.acme]"), `a.rego:3: policy a: match.resources: "widgets.acme" is of a group that is not built into Kubernetes, and those of custom resources have a dot; write "widgets.acme.example.com"`},
		{"question mark", "a.rego", match(`namespaces: ["team-?"]`), `a.rego:3: policy a: match.namespaces: "team-?" is no namespace's name, which is lower-case letters, digits and "-"; a pattern may begin and end with "*"`},
		{"case", "a.rego", match(`namespaces: ["Team-*"]`), `a.rego:3: policy a: match.namespaces: "Team-*" is no namespace's name, which is lower-case letters, digits and "-"; a pattern may begin and end with "*"`},
		{"underscore", "a.rego", match("excludeNamespaces: [team_a]"), `a.rego:3: policy a: match.excludeNamespaces: "team_a" is no namespace's name, which is lower-case letters, digits and "-"; a pattern may begin and end with "*"`},
		{"comma", "a.rego", match(`namespaces: [a, "team-a,team-b"]`), `a.rego:3: policy a: match.namespaces: "team-a,team-b" is no namespace's name, which is lower-case letters, digits and "-"; a pattern may begin and end with "*"`},
		{"blank", "a.rego", match(`namespaces: [" team-a"]`), `a.rego:3: policy a: match.namespaces: " team-a" is no namespace's name, which is lower-case letters, digits and "-"; a pattern may begin and end with "*"`},
		{"labels at guard", "a.rego", match("stage: guard, labels: {matchLabels: {a: b}}"), "a.rego:3: policy a: match.labels is for the stage admission: at guard, grant and image there is no object that has labels"},
		{"labels at image", "a.rego", match("stage: [admission, image], labels: {matchLabels: {a: b}}"), "a.rego:3: policy a: match.labels is for the stage admission: at guard, grant and image there is no object that has labels"},
		{"an image without Pods", "a.rego", match("stage: image, resources: [deployments]"), `a.rego:3: policy a: match.resources: at stage image every question is about Pods, which are not among them; add "pods", or leave match.resources out`},
		{"workloads have no Pods among them", "a.rego", match("stage: [admission, image], resources: [workloads]"), `a.rego:3: policy a: match.resources: at stage image every question is about Pods, which are not among them; add "pods", or leave match.resources out`},
		{"verb", "a.rego", match("stage: guard, operations: [craete]"), `a.rego:3: policy a: match.operations: "craete" is no verb of Kubernetes; did you mean create?`},
		{"CONNECT at guard", "a.rego", match("stage: guard, operations: [CONNECT]"), "a.rego:3: policy a: match.operations: to a guard or a grant, who connects creates or gets; write create and get"},
		{"image with warn alone", "a.rego", saying("match: {stage: [admission, image]}", "warn contains \"no\""), "a.rego:3: policy a: the package defines no rule that is asked at stage image: deny; take the stage out"},
		{"of tokens", "a.rego", saying("match: {resources: [pods]}", "user := {\"username\": \"x\"} if input.spec.token == \"x\""), "a.rego:3: policy a: match.resources is not for policies of tokens, which are asked about every token; leave it out"},
		{"namespaces of tokens", "a.rego", saying("match: {namespaces: [a]}", "user := {\"username\": \"x\"} if input.spec.token == \"x\""), "a.rego:3: policy a: match.namespaces is not for policies of tokens, which are asked about every token; leave it out"},
	})
	for _, fine := range []string{
		"resources: [pods/exec], operations: [CONNECT]", `resources: ["*/*"], operations: [CONNECT]`, "resources: [pods/exec], operations: ['*']",
		"resources: [virtualmachines.subresources.kubevirt.io/console], operations: [CONNECT]", "stage: guard, resources: [pods/exec, nodes/metrics, deployments/finalizers]",
		"resources: [widgets.example.com/status, gateways.gateway.networking.k8s.io, podgroupz.scheduling.k8s.io]", `resources: ["metrics.k8s.io/*"]`,
		`namespaces: ["*a", "a*", "1-*", "*"]`, "stage: guard, operations: [use, bind, CREATE, deletecollection]", "stage: guard, namespaceLabels: {matchLabels: {a: b}}",
		"resources: [pods.core, deployments.apps/scale, secrets/status]",
	} {
		if specs, faults := read(t, "a.rego", match(fine)); len(faults) > 0 || len(specs) != 1 {
			t.Errorf("%s: %v", fine, faults)
		}
	}
}

func TestRulesThatAreNeverAsked(t *testing.T) {
	const never = " is never asked, and nothing refers to it; did you mean "
	tell(t, []mistake{
		{"warns", "a.rego", saying("severity: low", "deny contains \"no\"\n\nwarns contains \"no\""), "a.rego:8: policy a: rule warns" + never + "warn?"},
		{"warning", "a.rego", saying("severity: low", "deny contains \"no\"\n\nwarning contains \"no\""), "a.rego:8: policy a: rule warning" + never + "warn?"},
		{"violation", "a.rego", saying("severity: low", "deny contains \"no\"\n\nviolation contains \"no\""), "a.rego:8: policy a: rule violation" + never + "deny?"},
		{"without METADATA", "a.rego", "package a\n\ndeny contains \"no\"\n\nwarns contains \"no\"\n", "a.rego:5: policy a: rule warns" + never + "warn?"},
		{"alone", "a.rego", "package a\n\ndney contains \"no\"\n", "a.rego:3: policy a: rule dney" + never + "deny?"},
		{"in v0", "a.rego", "package a\n\ndney[msg] {\n\tmsg := \"no\"\n}\n", "a.rego:3: policy a: rule dney" + never + "deny?"},
		{"another case", "a.rego", "package a\n\nDeny contains \"no\"\n", "a.rego:3: policy a: rule Deny" + never + "deny?"},
		{"denies", "a.rego", "package a\n\ndenies contains \"no\"\n", "a.rego:3: policy a: rule denies" + never + "deny?"},
		{
			"user", "a.rego", saying("severity: low", "usr := {\"username\": \"x\"}\n\ndeny contains \"no\" if input.spec.token == \"x\""),
			"a.rego:6: policy a: rule usr" + never + "user?",
		},
		{
			"allow at guard", "a.rego", saying("match: {stage: guard}", "deny contains \"no\"\n\nallow if true"),
			"a.rego:8: policy a: rule allow is never asked here, and nothing refers to it: it is for grant; take it out, or put it into a policy of its own",
		},
		{
			"mutate at guard", "a.rego", saying("match: {stage: guard}", "deny contains \"no\"\n\nmutate contains {}"),
			"a.rego:8: policy a: rule mutate is never asked here, and nothing refers to it: it is for admission; take it out, or put it into a policy of its own",
		},
		{
			"deny at grant", "a.rego", saying("match: {stage: grant}", "deny contains \"no\"\n\nallow if true"),
			"a.rego:6: policy a: rule deny is never asked here, and nothing refers to it: it is for admission, guard and image; take it out, or put it into a policy of its own",
		},
		{
			"user at admission", "a.rego", saying("severity: low", "deny contains \"no\"\n\nuser := 1"),
			"a.rego:8: policy a: rule user is never asked here, and nothing refers to it: it is for the review of a token; take it out, or put it into a policy of its own",
		},
	})
	for name, files := range map[string][]string{
		"referred to":           {"a.rego", saying("severity: low", "deny contains w if some w in warnings\n\nwarnings contains \"no\"")},
		"in a head":             {"a.rego", saying("severity: low", "deny contains sprintf(\"%v\", [warnings])\n\nwarnings contains \"no\"")},
		"in a test":             {"a.rego", saying("severity: low", "deny contains \"no\"\n\nallow if count(deny) == 0\n\ntest_x if not allow")},
		"a condition":           {"a.rego", saying("match: {stage: guard}", "deny contains \"no\" if not allow\n\nallow if true")},
		"not a set":             {"a.rego", saying("severity: low", "deny contains \"no\"\n\nwarned if true")},
		"from another package":  {"a.rego", saying("severity: low", "deny contains \"no\"\n\nwarnings contains \"x\""), "b.rego", "package b\n\nx := data.a.warnings\n"},
		"by an import":          {"a.rego", saying("severity: low", "deny contains \"no\"\n\nwarnings contains \"x\""), "b.rego", "package b\n\nimport data.a\n\nx := a.warnings\n"},
		"by an import of it":    {"a.rego", saying("severity: low", "deny contains \"no\"\n\nwarnings contains \"x\""), "b.rego", "package b\n\nimport data.a.warnings as w\n\nx := w\n"},
		"all of a package":      {"a.rego", saying("severity: low", "deny contains \"no\"\n\nwarnings contains \"x\""), "b.rego", "package b\n\nx := [r | some r in data.a]\n"},
		"what documents choose": {"a.rego", saying("match: {stage: guard}", "deny contains \"no\"\n\nallow if true"), "p.yaml", policy("  use: a\n  match: {stage: grant}\n")},
	} {
		t.Run(name, func(t *testing.T) {
			if specs, faults := read(t, files...); len(faults) > 0 || len(specs) != len(files)/2 && name == "what documents choose" {
				t.Errorf("%v %v", specs, faults)
			}
		})
	}
}

func TestParametersWithoutAValue(t *testing.T) {
	body := func(schema, rest string) string {
		return "# METADATA\n# custom:\n#   portcullis:\n#     parameters:\n#       type: object\n#       " + schema + "\npackage a\n\n" + rest + "\n"
	}
	const reads = "deny contains \"no\" if input.request.object.spec.replicas > input.parameters.max"
	tell(t, []mistake{
		{
			"no default", "a.rego", body("properties: {max: {type: integer}}", reads),
			"a.rego:6: policy a: the parameter max is read, but it is not given and has no default; give it a default, name it in required, or read it with object.get",
		},
		{
			"default misspelt", "a.rego", body("properties: {max: {type: integer, defaul: 10}}", reads),
			"a.rego:6: policy a: the schema of the parameters: schema.properties.max.defaul is no word of JSON schema; did you mean default?",
		},
		{
			"properties misspelt", "a.rego", body("propertys: {max: {type: integer}}", reads),
			"a.rego:6: policy a: the schema of the parameters: schema.propertys is no word of JSON schema; did you mean properties?",
		},
		{
			"in a list", "a.rego", body("anyOf: [{type: object, requierd: [a]}]", reads),
			"a.rego:6: policy a: the schema of the parameters: schema.anyOf.0.requierd is no word of JSON schema; did you mean required?",
		},
		{
			"of OpenAPI", "a.rego", body("properties: {max: {type: array, items: {nullable: true}}}", reads),
			`a.rego:6: policy a: the schema of the parameters: schema.properties.max.items.nullable is no word of JSON schema; leave it out, or begin it with "x-"`,
		},
		{
			"none named", "a.rego", body("title: none", reads),
			"a.rego:9: policy a: input.parameters.max is not in the schema of this policy's parameters, which names none; add it to properties",
		},
	})
	for name, text := range map[string]string{
		"a default":           body("properties: {max: {type: integer, default: 1}}", reads),
		"object.get":          body("properties: {max: {type: integer}}", "deny contains \"no\" if object.get(input.parameters, \"max\", 3) > 2"),
		"off":                 strings.Replace(body("properties: {max: {type: integer}}", reads), "parameters:", "enforcement: off\n#     parameters:", 1),
		"named as a keyword":  body("properties: {defaul: {type: integer, default: 1, x-mine: 1, enum: [1, {nullable: 1}]}}", "deny contains \"no\""),
		"not read":            body("properties: {max: {type: integer}}", "deny contains \"no\""),
		"definitions":         body("$defs: {n: {type: integer}}", "deny contains \"no\""),
		"a default in itself": body("properties: {max: {type: object, default: {nullable: 1}}}", "deny contains \"no\""),
	} {
		t.Run(name, func(t *testing.T) {
			if specs, faults := read(t, "a.rego", text); len(faults) > 0 || len(specs) != 1 {
				t.Errorf("%v %v", specs, faults)
			}
		})
	}
	_, faults := read(t, "a.rego", strings.Replace(body("properties: {max: {type: integer}}", reads), "parameters:", "enforcement: off\n#     parameters:", 1),
		"p.yaml", policy("  use: a\n  enforcement: deny\n"))
	if want := "a.rego:7: Policy mine: the parameter max is read, but it is not given and has no default; give it a default, name it in required, " +
		"or read it with object.get"; faults.Error() != want {
		t.Errorf("got %v\nwant %s", faults, want)
	}
	if specs, faults := read(t, "p.yaml", policy("  parameters: {max: 1}\n  rego: |\n"+indented(body("properties: {max: {type: integer}}", reads)))); len(faults) > 0 || len(specs) != 1 {
		t.Errorf("given: %v", faults)
	}
}

func indented(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n    ") + "\n"
}

func TestFilesThatWouldNotBeRead(t *testing.T) {
	tell(t, []mistake{
		{"Rego", "a.Rego", "package a\n\ndeny contains if {\n", "a.Rego:3: unexpected if keyword"},
		{"YAML", "p.YAML", policy("  use: pods.nothing\n"), `p.YAML:5: Policy mine: there is no policy "pods.nothing", neither in the library nor beside it`},
		{
			"a list", "p.yaml", "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod}\n- apiVersion: portcullis.dev/v1alpha1\n  kind: Policy\n",
			`p.yaml:5: a Policy in a List is not read; write it as a document of its own, behind a line "---"`,
		},
	})
	for _, text := range []string{"apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod}\n", "apiVersion: v1\nkind: List\nitems: []\n"} {
		if specs, faults := read(t, "p.yaml", text); len(specs)+len(faults) > 0 {
			t.Errorf("%s: %v", text, faults)
		}
	}
	if specs, faults := read(t, "a_test.Rego", "this is not Rego"); len(specs)+len(faults) > 0 {
		t.Errorf("a test is read: %v", faults)
	}
}

func TestOffNeedsNoQuotes(t *testing.T) {
	for _, said := range []string{"off", "'off'", `"off"`} {
		specs, faults := read(t, "p.yaml", policy("  use: deployments.replicas\n  parameters: {names: [a], max: 9007199254740993}\n  enforcement: "+said+"\n"))
		if len(faults) > 0 || len(specs) != 1 || specs[0].Enforcement != policies.EnforceOff || !strings.Contains(specs[0].Parameters.String(), "9007199254740993") {
			t.Errorf("%s: %+v %v", said, specs, faults)
		}
	}
	tell(t, []mistake{{
		"on", "p.yaml", policy("  use: deployments.replicas\n  enforcement: on\n"),
		"p.yaml:6: spec.enforcement must be a text, not a boolean; put it in quotes",
	}})
}

func TestALibraryPolicyNamedTwice(t *testing.T) {
	_, faults := newTestReader(t).Use("deployments.replicas", "deployments.replicas")
	said := strings.Split(faults.Error(), "\n")
	if want := `the library's policy "deployments.replicas" is named twice; name it once`; !slices.Contains(said, want) {
		t.Errorf("got %q, want %s", said, want)
	}
}

func TestTwoDocumentsOfOneNameAreToldByTheirRows(t *testing.T) {
	one := policy("  use: deployments.replicas\n  parameters: {names: []}\n")
	specs, _ := read(t, "p.yaml", one+"---\n"+one)
	_, err := policies.Compile(t.Context(), specs)
	want := "p.yaml:1: policy mine is also defined in p.yaml:8; give one of them another name\n" +
		"p.yaml:8: policy mine is also defined in p.yaml:1; give one of them another name"
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}
