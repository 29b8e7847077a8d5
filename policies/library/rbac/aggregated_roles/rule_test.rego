package portcullis.library.rbac.aggregated_roles_test

import data.portcullis.library.rbac.aggregated_roles

role(name, labels, selectors) := {
	"request": {
		"operation": "CREATE", "kind": {"kind": "ClusterRole"},
		"object": {
			"metadata": {"name": name, "labels": labels},
			"aggregationRule": {"clusterRoleSelectors": selectors},
		},
	},
	"parameters": {"into": ["edit", "view"], "roles": ["operator-*"]},
}

edit := {"rbac.authorization.k8s.io/aggregate-to-edit": "true", "team": "shop"}

test_what_adds_to_others_is_denied if {
	aggregated_roles.deny == {{
		"message": concat("", [
			`the label "rbac.authorization.k8s.io/aggregate-to-edit" gives what this ClusterRole grants to `,
			"everybody with the role edit; bind it to those who need it",
		]),
		"field": `metadata.labels["rbac.authorization.k8s.io/aggregate-to-edit"]`,
	}} with input as role("secret-reader", edit, null)
}

test_those_of_the_list_may if {
	aggregated_roles.deny == set() with input as role("operator-view", edit, null)
}

test_other_labels_are_allowed if {
	every labels in [
		null,
		{"team": "shop", "edit": "true"},
		{"rbac.authorization.k8s.io/aggregate-to-edit": "false"},
		{"rbac.authorization.k8s.io/aggregate-to-monitoring": "true"},
	] {
		aggregated_roles.deny == set() with input as role("secret-reader", labels, null)
	}
}

test_a_selector_of_everything_is_denied if {
	aggregated_roles.deny == {{
		"message": "a selector for which no label must be there gathers what nearly every ClusterRole grants; select by a label",
		"field": "aggregationRule.clusterRoleSelectors[1]",
	}} with input as role("operator-all", null, [{"matchLabels": {"a": "b"}}, {}])
	every selector in [
		{"matchLabels": {}, "matchExpressions": []},
		{"matchLabels": null, "matchExpressions": null},
		{"matchExpressions": [{"key": "foo", "operator": "DoesNotExist"}]},
		null,
	] {
		count(aggregated_roles.deny) == 1 with input as role("x", null, [selector])
	}
}

test_other_selectors_are_allowed if {
	aggregated_roles.deny == set() with input as role("x", null, [
		{"matchLabels": {"a": "b"}},
		{"matchExpressions": [{"key": "a", "operator": "Exists"}]},
	])
}
