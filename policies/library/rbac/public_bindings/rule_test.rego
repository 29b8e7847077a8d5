package portcullis.library.rbac.public_bindings_test

import data.portcullis.library.rbac.public_bindings

binding(subjects, role) := {
	"request": {
		"operation": "CREATE", "kind": {"kind": "ClusterRoleBinding"},
		"object": {"subjects": subjects, "roleRef": {"kind": "ClusterRole", "name": role}},
	},
	"parameters": {
		"users": ["system:anonymous"],
		"groups": ["system:unauthenticated", "system:masters"],
		"exemptRoles": ["system:public-info-viewer"],
	},
}

user(name) := {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": name}

group(name) := {"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": name}

test_bindings_to_everybody_are_denied if {
	public_bindings.deny == {
		{
			"message": `the role "view" is bound to user "system:anonymous", which nothing may be bound to; name those who need it`,
			"field": "subjects[1]",
		},
		{
			"message": `the role "view" is bound to group "system:masters", which nothing may be bound to; name those who need it`,
			"field": "subjects[2]",
		},
	} with input as binding([user("anna"), user("system:anonymous"), group("system:masters")], "view")
}

test_a_binding_without_a_role_is_denied if {
	count(public_bindings.deny) == 1 with input as {
		"request": {"operation": "CREATE", "object": {"subjects": [user("system:anonymous")]}},
		"parameters": {"users": ["system:anonymous"], "groups": [], "exemptRoles": ["view"]},
	}
}

test_kind_and_name_go_together if {
	public_bindings.deny == set() with input as binding([group("system:anonymous"), user("system:masters")], "view")
}

test_exempt_roles_are_allowed if {
	public_bindings.deny == set() with input as binding([group("system:unauthenticated")], "system:public-info-viewer")
}

test_others_are_allowed if {
	account := {"kind": "ServiceAccount", "name": "system:anonymous", "namespace": "shop"}
	public_bindings.deny == set() with input as binding([user("anna"), group("dev"), account], "view")
	public_bindings.deny == set() with input as binding(null, "view")
}
