package portcullis.library.rbac.default_accounts_test

import data.portcullis.library.rbac.default_accounts

binding(subjects, parameters) := {
	"request": {
		"operation": "CREATE", "kind": {"kind": "RoleBinding"}, "namespace": "shop",
		"object": {"subjects": subjects, "roleRef": {"kind": "ClusterRole", "name": "view"}},
	},
	"parameters": object.union({"allowGroups": false, "exemptRoles": []}, parameters),
}

subjects := [
	{"kind": "ServiceAccount", "name": "default", "namespace": "blog"},
	{"kind": "ServiceAccount", "name": "default"},
	{"kind": "User", "name": "system:serviceaccount:web:default"},
	{"kind": "Group", "name": "system:serviceaccounts:ci"},
	{"kind": "Group", "name": "system:serviceaccounts"},
]

test_default_accounts_are_denied if {
	default_accounts.deny == {
		{
			"message": `the role "view" is bound to the service account default of namespace "blog"; bind it to a service account of its own`,
			"field": "subjects[0]",
		},
		{
			"message": `the role "view" is bound to the service account default of namespace "shop"; bind it to a service account of its own`,
			"field": "subjects[1]",
		},
		{
			"message": `the role "view" is bound to the service account default of namespace "web"; bind it to a service account of its own`,
			"field": "subjects[2]",
		},
		{
			"message": `the role "view" is bound to every service account of namespace "ci"; bind it to a service account of its own`,
			"field": "subjects[3]",
		},
		{
			"message": `the role "view" is bound to every service account of the cluster; bind it to a service account of its own`,
			"field": "subjects[4]",
		},
	} with input as binding(subjects, {})
}

test_groups_are_allowed_if_that_is_wanted if {
	count(default_accounts.deny) == 3 with input as binding(subjects, {"allowGroups": true})
}

test_exempt_roles_are_allowed if {
	default_accounts.deny == set() with input as binding(subjects, {"exemptRoles": ["view"]})
}

test_other_accounts_are_allowed if {
	default_accounts.deny == set() with input as binding(
		[
			{"kind": "ServiceAccount", "name": "web", "namespace": "default"},
			{"kind": "User", "name": "default"},
			{"kind": "User", "name": "system:serviceaccount:default:web"},
			{"kind": "Group", "name": "default"},
			{"kind": "Group", "name": "system:serviceaccount:web:default"},
			{"kind": "User", "name": "oidc:a:b:default"},
			{"kind": "User", "name": "system:serviceaccounts"},
			{"kind": "User", "name": "system:serviceaccounts:ci"},
		],
		{},
	)
}
