package portcullis.library.extensions.webhooks_test

import data.portcullis.library.extensions.webhooks

asked(webhook) := {
	"request": {
		"operation": "CREATE", "kind": {"kind": "ValidatingWebhookConfiguration"},
		"object": {"metadata": {"name": "tool"}, "webhooks": [object.union({"name": "a.example.com"}, webhook)]},
	},
	"parameters": {"namespaces": ["kube-system", "kube-node-lease"], "maxTimeoutSeconds": 10, "exemptConfigurations": ["portcullis*"]},
}

metadata_name := "kubernetes.io/metadata.name"

apart := {"namespaceSelector": {"matchExpressions": [{
	"key": metadata_name, "operator": "NotIn",
	"values": ["kube-system", "kube-node-lease", "tool"],
}]}}

rule(groups, resources) := {"apiGroups": groups, "apiVersions": ["*"], "resources": resources, "operations": ["*"]}

test_one_for_everything_is_denied if {
	every resource in ["*", "*/*"] {
		every groups, of in {["apps", "*"]: "any API group", ["", "*"]: "any API group", ["apps", ""]: "the core API group"} {
			webhooks.deny == {{
				"message": concat("", [
					sprintf(`without the webhook "a.example.com" nothing of %s that it is asked about can be changed; `, [of]),
					"name resources in its rules, or set failurePolicy Ignore",
				]),
				"field": "webhooks[0].rules[0]",
			}} with input as asked(object.union(apart, {"rules": [rule(groups, [resource])]}))
		}
	}
}

test_one_for_what_has_a_label_is_allowed if {
	every selectors in [
		{"objectSelector": {"matchLabels": {"inject": "enabled"}}, "namespaceSelector": apart.namespaceSelector},
		{"namespaceSelector": {"matchLabels": {"inject": "enabled"}}},
		{"namespaceSelector": {"matchExpressions": [{"key": "inject", "operator": "Exists"}]}},
	] {
		webhooks.deny == set() with input as asked(object.union(selectors, {"rules": [rule(["*"], ["*"])]}))
	}
	count(webhooks.deny) == 1 with input as asked({
		"namespaceSelector": {
			"matchLabels": {"kubernetes.io/metadata.name": "shop"},
			"matchExpressions": [{"key": "ignore", "operator": "DoesNotExist"}],
		},
		"objectSelector": {"matchExpressions": [{"key": "ignore", "operator": "DoesNotExist"}]},
		"rules": [rule(["*"], ["*"])],
	})
}

test_the_leases_of_nodes_are_for_one_that_is_asked_about_leases if {
	without := {"namespaceSelector": {"matchExpressions": [{"key": metadata_name, "operator": "NotIn", "values": ["kube-system"]}]}}
	{f.field | some f in webhooks.deny} == {"webhooks[0].namespaceSelector"} with input as asked(object.union(
		without,
		{"rules": [rule(["coordination.k8s.io"], ["leases"])]},
	))
	every other in [rule([""], ["pods"]), rule(["coordination.k8s.io"], ["leasecandidates"]), rule(["apps"], ["leases"])] {
		webhooks.deny == set() with input as asked(object.union(without, {"rules": [other]}))
	}
}

test_one_for_the_system_is_denied if {
	every selector in [
		{},
		null,
		{"matchExpressions": [{"key": metadata_name, "operator": "NotIn", "values": ["tool"]}]},
		{"matchExpressions": [{"key": metadata_name, "operator": "In", "values": ["kube-system"]}]},
		{"matchExpressions": [{"key": metadata_name, "operator": "Exists"}]},
		{"matchExpressions": [{"key": "ignore", "operator": "DoesNotExist"}]},
		{"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["kube-system"]}]},
		{"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
	] {
		webhooks.deny == {{
			"message": concat("", [
				`without the webhook "a.example.com" nothing in kube-system can be repaired; `,
				"leave it out by kubernetes.io/metadata.name NotIn in namespaceSelector",
			]),
			"field": "webhooks[0].namespaceSelector",
		}} with input as asked({"namespaceSelector": selector, "failurePolicy": "Fail", "rules": [rule([""], ["pods"])]})
	}
	count(webhooks.deny) == 1 with input as asked({"rules": [rule(["apps"], ["deployments"])]})
}

test_one_that_leaves_the_system_out_is_allowed if {
	every selector in [
		{"matchExpressions": [{"key": metadata_name, "operator": "In", "values": ["shop"]}]},
		{"matchExpressions": [{"key": "inject", "operator": "Exists"}]},
		{"matchLabels": {"inject": "enabled"}},
		{"matchLabels": {"kubernetes.io/metadata.name": "shop"}},
	] {
		webhooks.deny == set() with input as asked({"namespaceSelector": selector, "rules": [rule([""], ["pods"])]})
	}
	webhooks.deny == set() with input as asked(object.union(apart, {"rules": [rule([""], ["pods"])]}))
}

test_one_for_resources_of_its_own_is_allowed if {
	webhooks.deny == set() with input as asked({"rules": [rule(["example.com"], ["*"])]})
	webhooks.deny == set() with input as asked({"rules": [object.union(rule(["*"], ["namespaces"]), {"scope": "Cluster"})]})
}

test_one_that_is_ignored_is_allowed if {
	webhooks.deny == set() with input as asked({"failurePolicy": "Ignore", "rules": [rule(["*"], ["*"])]})
}

test_one_that_keeps_waiting_is_denied if {
	webhooks.deny == {{
		"message": `the webhook "a.example.com" may keep a request waiting for 30 seconds; set timeoutSeconds to 10 at most`,
		"field": "webhooks[0].timeoutSeconds",
	}} with input as asked({"failurePolicy": "Ignore", "timeoutSeconds": 30})
	webhooks.deny == set() with input as asked({"timeoutSeconds": 10})
	wanted := object.union(asked({}), {"parameters": {"maxTimeoutSeconds": 5}})
	count(webhooks.deny) == 1 with input as wanted
}

test_exempt_configurations_are_allowed if {
	ours := {"request": {"object": {"metadata": {"name": "portcullis"}}}}
	webhooks.deny == set() with input as object.union(asked({"timeoutSeconds": 30, "rules": [rule(["*"], ["*"])]}), ours)
}

test_a_webhook_without_a_name if {
	{f.message | some f in webhooks.deny} == {`the webhook "" may keep a request waiting for 30 seconds; set timeoutSeconds to 10 at most`}
		with input as asked({"name": null, "timeoutSeconds": 30})
}
