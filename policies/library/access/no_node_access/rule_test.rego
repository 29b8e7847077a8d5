package portcullis.library.access.no_node_access_test

import data.portcullis.library.access.no_node_access

review_of(user, groups, attributes) := {
	"apiVersion": "authorization.k8s.io/v1",
	"kind": "SubjectAccessReview",
	"spec": {"user": user, "groups": groups, "resourceAttributes": attributes},
	"parameters": {"subresources": ["proxy", "log"], "exceptUsers": ["kube-apiserver"], "exceptGroups": ["node-admins"]},
}

refused(subresource) := {sprintf("anna may not reach nodes by nodes/%s; use the Pods' own logs, exec and metrics", [subresource])}

test_every_verb_is_refused if {
	every verb in ["get", "create", "update", "patch", "delete", "*"] {
		attributes := {"verb": verb, "resource": "nodes", "subresource": "proxy", "name": "a"}
		no_node_access.deny == refused("proxy") with input as review_of("anna", ["dev"], attributes)
	}
}

test_stars_are_refused if {
	every attributes in [
		{"verb": "get", "resource": "nodes", "subresource": "*"},
		{"verb": "*", "group": "*", "resource": "*", "subresource": "*"},
	] {
		no_node_access.deny == refused("proxy") | refused("log") with input as review_of("anna", null, attributes)
	}
}

test_others_are_not_this_policys_affair if {
	every attributes in [
		{"verb": "get", "resource": "nodes"},
		{"verb": "get", "resource": "nodes", "subresource": "metrics"},
		{"verb": "get", "resource": "services", "subresource": "proxy"},
		{"verb": "get", "group": "example.com", "resource": "nodes", "subresource": "proxy"},
	] {
		no_node_access.deny == set() with input as review_of("anna", [], attributes)
	}
	no_node_access.deny == set() with input as {"spec": {"user": "anna", "nonResourceAttributes": {"path": "/metrics", "verb": "get"}}}
}

test_excepted_users_and_groups if {
	attributes := {"verb": "get", "resource": "nodes", "subresource": "proxy"}
	no_node_access.deny == set() with input as review_of("kube-apiserver", [], attributes)
	no_node_access.deny == set() with input as review_of("anna", ["node-admins"], attributes)
}
