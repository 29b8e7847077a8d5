package portcullis.library.access.sealed_namespaces_test

import data.portcullis.library.access.sealed_namespaces

review(attributes) := review_of("anna", ["system:authenticated"], attributes)

review_of(user, groups, attributes) := {
	"apiVersion": "authorization.k8s.io/v1",
	"kind": "SubjectAccessReview",
	"spec": {"user": user, "groups": groups, "resourceAttributes": attributes},
	"parameters": {
		"namespaces": ["vault"],
		"exceptUsers": ["system:kube-controller-manager"],
		"exceptGroups": ["system:nodes"],
	},
}

sealed := {`namespace "vault" is sealed: nobody reads its Secrets through the API`}

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
		sealed_namespaces.deny == sealed with input as review(attributes)
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
