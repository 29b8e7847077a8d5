package portcullis.library.rbac.no_wildcards_test

import data.portcullis.library.rbac.no_wildcards

fields := ["verbs", "resources", "apiGroups", "nonResourceURLs"]

role(rules, parameters) := {
	"request": {
		"operation": "CREATE", "kind": {"kind": "ClusterRole"},
		"object": {"metadata": {"name": "operator"}, "rules": rules},
	},
	"parameters": object.union({"fields": fields, "allowedGroups": ["example.com"], "exemptRoles": []}, parameters),
}

test_a_star_is_denied_wherever_it_is if {
	no_wildcards.deny == {
		{
			"message": `"*" in the verbs of a rule grants more than anybody can foresee; name what is needed`,
			"field": "rules[0].verbs[1]",
		},
		{
			"message": `"*/scale" in the resources of a rule grants more than anybody can foresee; name what is needed`,
			"field": "rules[0].resources[0]",
		},
		{
			"message": `"*" in the apiGroups of a rule grants more than anybody can foresee; name what is needed`,
			"field": "rules[0].apiGroups[0]",
		},
		{
			"message": `"/apis/*" in the nonResourceURLs of a rule grants more than anybody can foresee; name what is needed`,
			"field": "rules[1].nonResourceURLs[0]",
		},
	} with input as role(
		[
			{"verbs": ["get", "*"], "resources": ["*/scale"], "apiGroups": ["*"]},
			{"verbs": ["get"], "nonResourceURLs": ["/apis/*"]},
		],
		{},
	)
}

test_only_in_the_fields_that_are_asked_for if {
	{f.field | some f in no_wildcards.deny} == {"rules[0].verbs[0]"} with input as role(
		[{"verbs": ["*"], "resources": ["*"], "apiGroups": ["apps"]}],
		{"fields": ["verbs"]},
	)
}

test_a_group_of_ones_own_is_allowed if {
	no_wildcards.deny == set() with input as role([{"verbs": ["*"], "resources": ["*"], "apiGroups": ["example.com"]}], {})
	every groups in [[], null, ["example.com", ""], ["*", "example.com"]] {
		count(no_wildcards.deny) > 1 with input as role([{"verbs": ["*"], "resources": ["*"], "apiGroups": groups}], {})
	}
	count(no_wildcards.deny) == 1 with input as role([{"apiGroups": ["example.com"], "nonResourceURLs": ["*"], "verbs": ["get"]}], {})
}

test_what_is_named_is_allowed if {
	no_wildcards.deny == set() with input as role([{"verbs": ["get"], "resources": ["pods/log"], "apiGroups": [""]}], {})
	no_wildcards.deny == set() with input as role(null, {})
}

test_exempt_roles_are_allowed if {
	rules := [{"verbs": ["*"], "resources": ["pods"], "apiGroups": [""]}]
	no_wildcards.deny == set() with input as role(rules, {"exemptRoles": ["ClusterRole/oper*"]})
	count(no_wildcards.deny) == 1 with input as role(rules, {"exemptRoles": ["Role/shop/operator"]})
	namespaced := {"request": {"kind": {"kind": "Role"}, "namespace": "shop"}}
	no_wildcards.deny == set() with input as object.union(role(rules, {"exemptRoles": ["Role/shop/operator"]}), namespaced)
	count(no_wildcards.deny) == 1 with input as object.union(role(rules, {"exemptRoles": ["ClusterRole/*"]}), namespaced)
}
