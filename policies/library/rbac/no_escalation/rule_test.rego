package portcullis.library.rbac.no_escalation_test

import data.portcullis.library.rbac.no_escalation

every_one := [
	"bind", "escalate", "impersonate", "secrets", "tokens",
	"exec", "nodes", "certificates", "webhooks", "volumes", "pods",
]

role(rules, parameters) := {
	"request": {
		"operation": "CREATE", "kind": {"kind": "ClusterRole"},
		"object": {"metadata": {"name": "operator"}, "rules": rules},
	},
	"parameters": object.union({"refused": every_one, "exemptRoles": ["Role/shop/operator"]}, parameters),
}

rule(group, resource, verb) := {"apiGroups": ["events.k8s.io", group], "resources": ["configmaps", resource], "verbs": ["proxy", verb]}

test_each_way_is_denied if {
	every way in [
		["rbac.authorization.k8s.io", "roles", "bind", "give themselves any role"],
		["rbac.authorization.k8s.io", "clusterroles", "escalate", "write permissions into roles that they do not have"],
		["", "users", "impersonate", "act as others"],
		["authentication.k8s.io", "userextras", "impersonate", "act as others"],
		["authentication.k8s.io", "userextras/scopes", "impersonate", "act as others"],
		["authentication.k8s.io", "nodes", "impersonate:arbitrary-node", "act as others"],
		["", "secrets", "watch", "read Secrets"],
		["", "secrets", "patch", "read Secrets"],
		["", "secrets", "deletecollection", "read Secrets"],
		["", "serviceaccounts/token", "create", "have tokens made of service accounts"],
		["", "pods/exec", "get", "run commands in Pods"],
		["", "pods/ephemeralcontainers", "patch", "run commands in Pods"],
		["", "nodes/proxy", "get", "reach the kubelets of nodes and the Pods on them"],
		["certificates.k8s.io", "certificatesigningrequests/approval", "update", "have certificates made in the name of others"],
		["certificates.k8s.io", "signers", "sign", "have certificates made in the name of others"],
		[
			"admissionregistration.k8s.io", "mutatingwebhookconfigurations", "patch",
			"see and change every request by a webhook or an admission policy",
		],
		["", "persistentvolumes", "create", "make PersistentVolumes, those of directories of nodes among them"],
		["batch", "jobs", "create", "run Pods as every service account of the namespace"],
	] {
		no_escalation.deny == {{
			"message": sprintf("the role lets its holders %s; take %s on %s out of it", [way[3], way[2], way[1]]),
			"field": "rules[0]",
		}} with input as role([rule(way[0], way[1], way[2])], {})
	}
}

test_a_star_is_every_way if {
	no_escalation.deny == {{
		"message": "the role lets its holders read Secrets; take *, get on *, secrets out of it",
		"field": "rules[1]",
	}} with input as role(
		[rule("", "pods", "get"), {"apiGroups": ["*"], "resources": ["*", "pods", "secrets"], "verbs": ["*", "get"]}],
		{"refused": ["secrets"]},
	)
}

test_what_one_rule_grants_is_one_finding if {
	no_escalation.deny == {{
		"message": "the role lets its holders act as others, read Secrets; take *, impersonate on secrets, users, * out of it",
		"field": "rules[0]",
	}} with input as role(
		[{"apiGroups": [""], "resources": ["configmaps", "secrets", "users", "*"], "verbs": ["create", "*", "impersonate"]}],
		{"refused": ["impersonate", "secrets"]},
	)
	count(no_escalation.deny) == 1 with input as role([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}], {})
}

test_a_star_with_a_subresource_is_that_of_each if {
	no_escalation.deny == {{
		"message": "the role lets its holders run commands in Pods; take create on */exec out of it",
		"field": "rules[0]",
	}} with input as role([rule("", "*/exec", "create")], {})
	no_escalation.deny == {{
		"message": "the role lets its holders act as others; take impersonate on */scopes out of it",
		"field": "rules[0]",
	}} with input as role([rule("authentication.k8s.io", "*/scopes", "impersonate")], {})
	no_escalation.deny == set() with input as role([rule("", "*/status", "create")], {})
	no_escalation.deny == set() with input as role([rule("", "x/exec", "create")], {})
}

test_what_is_not_refused_is_allowed if {
	no_escalation.deny == set() with input as role([rule("", "secrets", "get")], {"refused": ["bind", "tokens"]})
}

test_other_permissions_are_allowed if {
	every allowed in [
		rule("", "pods", "get"),
		rule("", "secrets", "create"),
		rule("example.com", "secrets", "get"),
		rule("", "pods/log", "get"),
		rule("rbac.authorization.k8s.io", "roles", "get"),
		{"nonResourceURLs": ["/metrics"], "verbs": ["get"]},
		{"verbs": null, "apiGroups": [""], "resources": ["secrets"]},
	] {
		no_escalation.deny == set() with input as role([allowed], {})
	}
}

test_names_narrow_some if {
	no_escalation.deny == set() with input as role([object.union(rule("", "secrets", "get"), {"resourceNames": ["mine"]})], {})
	count(no_escalation.deny) == 1 with input as role([object.union(rule("", "secrets", "get"), {"resourceNames": []})], {})
	every names in [[""], ["mine", ""], null] {
		count(no_escalation.deny) == 1 with input as role([object.union(rule("", "secrets", "list"), {"resourceNames": names})], {})
	}
	bind := object.union(rule("rbac.authorization.k8s.io", "clusterroles", "bind"), {"resourceNames": ["cluster-admin"]})
	count(no_escalation.deny) == 1 with input as role([bind], {})
}

namespaced(namespace) := {"request": {"kind": {"kind": "Role"}, "namespace": namespace}}

test_exempt_roles_are_allowed if {
	rules := [rule("", "secrets", "get")]
	no_escalation.deny == set() with input as object.union(role(rules, {}), namespaced("shop"))
	count(no_escalation.deny) == 1 with input as object.union(role(rules, {}), namespaced("blog"))
	count(no_escalation.deny) == 1 with input as role(rules, {})
	no_escalation.deny == set() with input as role(rules, {"exemptRoles": ["ClusterRole/oper*"]})
}
