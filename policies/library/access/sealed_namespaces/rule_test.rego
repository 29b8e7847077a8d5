package portcullis.library.access.sealed_namespaces_test

import data.portcullis.library.access.sealed_namespaces

review(attributes) := review_of("anna", ["system:authenticated"], attributes)

review_of(user, groups, attributes) := {
	"apiVersion": "authorization.k8s.io/v1",
	"kind": "SubjectAccessReview",
	"spec": {"user": user, "groups": groups, "resourceAttributes": attributes},
	"parameters": {
		"namespaces": ["vault"],
		"exceptUsers": ["system:kube-controller-manager", "system:serviceaccount:ops:reader", "system:node:special"],
		"exceptGroups": ["system:nodes", "system:serviceaccounts:kube-system"],
		"unaskedUsers": ["portcullis", "system:apiserver", "system:kube-*"],
		"unaskedGroups": ["control-plane"],
	},
}

sealed := {`namespace "vault" is sealed: nobody reads its Secrets through the API; mount them in Pods`}

test_every_way_of_reading_is_denied if {
	every verb in ["get", "list", "watch", "patch", "delete", "deletecollection", "*"] {
		sealed_namespaces.deny == sealed with input as review({"verb": verb, "resource": "secrets", "namespace": "vault", "name": "a"})
	}
}

test_subresources_and_stars_are_denied if {
	every attributes in [
		{"verb": "get", "resource": "secrets", "subresource": "status", "namespace": "vault"},
		{"verb": "get", "resource": "*", "namespace": "vault"},
		{"verb": "*", "group": "*", "resource": "*", "namespace": "vault"},
	] {
		sealed - sealed_namespaces.deny == set() with input as review(attributes)
	}
}

test_all_namespaces_are_denied if {
	every attributes in [{"verb": "list", "resource": "secrets"}, {"verb": "watch", "resource": "secrets", "namespace": ""}] {
		sealed_namespaces.deny == {concat("", [
			"Secrets of all namespaces would include those of sealed namespaces; ",
			"ask for those of one namespace",
		])} with input as review(attributes)
	}
}

test_writing_is_not_this_policys_affair if {
	every verb in ["create", "update"] {
		sealed_namespaces.deny == set() with input as review({"verb": verb, "resource": "secrets", "namespace": "vault"})
	}
}

test_others_are_not_this_policys_affair if {
	every attributes in [
		{"verb": "get", "resource": "secrets", "namespace": "shop"},
		{"verb": "get", "resource": "configmaps", "namespace": "vault"},
		{"verb": "get", "group": "example.com", "resource": "secrets", "namespace": "vault"},
	] {
		sealed_namespaces.deny == set() with input as review(attributes)
	}
	sealed_namespaces.deny == set() with input as {"spec": {"nonResourceAttributes": {"path": "/api", "verb": "get"}}}
}

test_excepted_users_and_groups if {
	attributes := {"verb": "list", "resource": "secrets"}
	sealed_namespaces.deny == set() with input as review_of("system:kube-controller-manager", [], attributes)
	sealed_namespaces.deny == set() with input as review_of("system:node:a", ["system:nodes"], attributes)
}

test_a_question_without_a_verb_is_one_about_reading if {
	sealed_namespaces.deny == sealed with input as review({"resource": "secrets", "namespace": "vault"})
}

test_writing_as_somebody_else_is_not_reading if {
	every verb in ["impersonate-on:user-info:create", "impersonate-on:serviceaccount:update"] {
		sealed_namespaces.deny == set() with input as review({"verb": verb, "resource": "secrets", "namespace": "vault"})
	}
	every verb in ["impersonate-on:user-info:get", "impersonate-on:arbitrary-node:list", "impersonate-on:", "create:", "x:y:create"] {
		sealed_namespaces.deny == sealed with input as review({"verb": verb, "resource": "secrets", "namespace": "vault"})
	}
}

# As the API server asks: "impersonate" with the first group, the verbs for each way with the other.
ways := [
	{"verb": "impersonate"},
	{"verb": "impersonate:user-info", "group": "authentication.k8s.io"},
	{"verb": "impersonate:serviceaccount", "group": "authentication.k8s.io"},
	{"verb": "*", "group": "*"},
]

acting_as(who) := {sprintf("nobody acts as %s while namespaces are sealed: it is not kept from their Secrets; act as somebody else", [who])}

test_nobody_impersonates_a_user_who_is_not_stopped if {
	every way in ways {
		every name in ["system:kube-controller-manager", "system:kube-scheduler", "system:apiserver", "portcullis"] {
			sealed_namespaces.deny == acting_as(sprintf("user %q", [name])) with input as review(object.union(
				way,
				{"resource": "users", "name": name},
			))
		}
		every name in ["", "*"] {
			"every user" in sealed_namespaces.unstopped with input as review(object.union(way, {"resource": "users", "name": name}))
		}
		sealed_namespaces.deny == acting_as("every user") with input as review(object.union(way, {"resource": "users"}))
	}
}

test_nobody_impersonates_a_group_that_is_not_stopped if {
	every way in ways {
		every name in ["system:masters", "system:nodes", "system:serviceaccounts:kube-system", "control-plane"] {
			sealed_namespaces.deny == acting_as(sprintf("group %q", [name])) with input as review(object.union(
				way,
				{"resource": "groups", "name": name},
			))
		}
		sealed_namespaces.deny == acting_as("every group") with input as review(object.union(way, {"resource": "groups", "name": "*"}))
	}
}

test_system_masters_need_not_be_named if {
	sealed_namespaces.deny == acting_as(`group "system:masters"`) with input as {
		"spec": {"user": "anna", "resourceAttributes": {"verb": "impersonate", "resource": "groups", "name": "system:masters"}},
		"parameters": {"namespaces": ["vault"], "exceptUsers": [], "exceptGroups": [], "unaskedUsers": [], "unaskedGroups": []},
	}
}

test_nobody_impersonates_a_node if {
	every way in [
		{"verb": "impersonate:arbitrary-node", "name": "a"},
		{"verb": "impersonate:associated-node", "name": "*"},
	] {
		attributes := object.union(way, {"group": "authentication.k8s.io", "resource": "nodes"})
		sealed_namespaces.deny == acting_as(sprintf("node %q", [way.name])) with input as review(attributes)
	}
	special := {"verb": "impersonate:arbitrary-node", "group": "authentication.k8s.io", "resource": "nodes", "name": "special"}
	sealed_namespaces.deny == acting_as(`node "special"`) with input as review(special)
		with input.parameters.exceptGroups as []
	sealed_namespaces.deny == set() with input as review(object.union(special, {"name": "a"}))
		with input.parameters.exceptGroups as []
}

accounts := [
	{"namespace": "kube-system", "name": "job-controller"},
	{"namespace": "ops", "name": "reader"},
]

test_nobody_impersonates_a_service_account_that_is_not_stopped if {
	every way in ways {
		every account in accounts {
			who := sprintf("service account %q of namespace %q", [account.name, account.namespace])
			attributes := object.union(object.union(way, {"resource": "serviceaccounts"}), account)
			sealed_namespaces.deny == acting_as(who) with input as review(attributes)
		}
	}
}

has_a_token_of(who) := {concat("", [
	sprintf("nobody has a token made of %s ", [who]),
	"while namespaces are sealed: it is not kept from their Secrets; use another account",
])}

test_nobody_has_a_token_made_of_a_service_account_that_is_not_stopped if {
	token := {"verb": "create", "resource": "serviceaccounts", "subresource": "token"}
	every account in accounts {
		who := sprintf("service account %q of namespace %q", [account.name, account.namespace])
		sealed_namespaces.deny == has_a_token_of(who) with input as review(object.union(token, account))
	}
	sealed_namespaces.deny == has_a_token_of("every service account") with input as review(token)
	sealed_namespaces.deny == has_a_token_of(`every service account of namespace "ops"`) with input as review(object.union(
		token,
		{"namespace": "ops"},
	))
	every_one := object.union(token, {"namespace": "shop", "name": "app"})
	sealed_namespaces.deny == has_a_token_of(`service account "app" of namespace "shop"`) with input as review(every_one)
		with input.parameters.exceptGroups as ["system:serviceaccounts"]
}

test_everything_with_a_star_is_denied if {
	count(sealed_namespaces.deny) > 4 with input as review({"verb": "*", "group": "*", "resource": "*", "subresource": "*"})
}

test_impersonating_others_is_not_this_policys_affair if {
	every attributes in [
		{"verb": "impersonate", "resource": "users", "name": "otto"},
		{"verb": "impersonate", "resource": "users", "name": "system:kubelet"},
		{"verb": "impersonate", "resource": "groups", "name": "system:authenticated"},
		{"verb": "impersonate", "resource": "groups", "name": "system:kube-scheduler"},
		{"verb": "impersonate", "resource": "serviceaccounts", "namespace": "ops", "name": "writer"},
		{"verb": "impersonate:user-info", "group": "authentication.k8s.io", "resource": "users", "name": "otto"},
		{"verb": "impersonate", "group": "authentication.k8s.io", "resource": "uids", "name": "system:kube-scheduler"},
		{"verb": "create", "resource": "serviceaccounts", "subresource": "token", "namespace": "ops", "name": "writer"},
		{"verb": "create", "resource": "serviceaccounts", "namespace": "kube-system"},
		{"verb": "get", "resource": "serviceaccounts", "namespace": "kube-system", "name": "job-controller"},
		{"verb": "list", "resource": "users"},
	] {
		sealed_namespaces.deny == set() with input as review(attributes)
	}
}

test_the_excepted_act_as_whom_they_like if {
	attributes := {"verb": "impersonate", "resource": "groups", "name": "system:masters"}
	sealed_namespaces.deny == set() with input as review_of("system:kube-controller-manager", [], attributes)
	token := {"verb": "create", "resource": "serviceaccounts", "subresource": "token", "namespace": "kube-system", "name": "a"}
	sealed_namespaces.deny == set() with input as review_of("system:node:a", ["system:nodes"], token)
}

test_a_question_without_a_verb_is_one_about_reading if {
	sealed_namespaces.deny == sealed with input as review({"resource": "secrets", "namespace": "vault"})
}
