package portcullis.library.rbac.cluster_admin_test

import data.portcullis.library.rbac.cluster_admin

binding(subjects, role) := {
	"request": {
		"operation": "CREATE", "kind": {"kind": "RoleBinding"}, "namespace": "gitops",
		"object": {"subjects": subjects, "roleRef": role},
	},
	"parameters": {
		"roles": ["cluster-admin"],
		"subjects": ["Group/platform", "User/jane", "ServiceAccount/gitops/deployer"],
	},
}

admin := {"kind": "ClusterRole", "name": "cluster-admin"}

test_others_are_denied if {
	cluster_admin.deny == {
		{
			"message": "User/platform may not be bound to the role cluster-admin; bind a role that grants what is needed",
			"field": "subjects[0]",
		},
		{
			"message": "ServiceAccount/shop/deployer may not be bound to the role cluster-admin; bind a role that grants what is needed",
			"field": "subjects[2]",
		},
		{
			"message": "/ may not be bound to the role cluster-admin; bind a role that grants what is needed",
			"field": "subjects[3]",
		},
	} with input as binding(
		[
			{"kind": "User", "name": "platform"},
			{"kind": "Group", "name": "platform"},
			{"kind": "ServiceAccount", "namespace": "shop", "name": "deployer"},
			{},
		],
		admin,
	)
}

test_a_role_whose_kind_is_missing_counts if {
	count(cluster_admin.deny) == 1 with input as binding([{"kind": "User", "name": "anna"}], {"name": "cluster-admin"})
}

test_those_of_the_list_are_allowed if {
	cluster_admin.deny == set() with input as binding(
		[
			{"kind": "User", "name": "jane"},
			{"kind": "ServiceAccount", "namespace": "gitops", "name": "deployer"},
			{"kind": "ServiceAccount", "name": "deployer"},
		],
		admin,
	)
}

test_other_roles_are_allowed if {
	anna := [{"kind": "User", "name": "anna"}]
	cluster_admin.deny == set() with input as binding(anna, {"kind": "ClusterRole", "name": "view"})
	cluster_admin.deny == set() with input as binding(anna, {"kind": "Role", "name": "cluster-admin"})
	cluster_admin.deny == set() with input as binding(null, admin)
}
