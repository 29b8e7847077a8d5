package portcullis.library.access.self_service_test

import data.portcullis.library.access.self_service

review_of(user, groups, attributes) := {
	"apiVersion": "authorization.k8s.io/v1",
	"kind": "SubjectAccessReview",
	"spec": {"user": user, "groups": groups, "resourceAttributes": attributes},
	"namespace": {"metadata": {"name": "shop", "annotations": {"users": "anna, eva,", "groups": "shop-devs"}}},
	"parameters": {
		"userAnnotation": "users",
		"groupAnnotation": "groups",
		"verbs": ["get", "create"],
		"resources": ["pods", "pods/log", "deployments.apps"],
	},
}

get_pods := {"verb": "get", "resource": "pods", "namespace": "shop"}

test_owners if {
	self_service.allow == {"anna owns the namespace shop"} with input as review_of("anna", [], get_pods)
	self_service.allow == {"eva owns the namespace shop"} with input as review_of("eva", null, get_pods)
	self_service.allow == {"otto owns the namespace shop"} with input as review_of("otto", ["dev", "shop-devs"], get_pods)
}

test_others if {
	every user in ["otto", "", " ", "anna, eva,", "shop-devs"] {
		self_service.allow == set() with input as review_of(user, ["dev", ""], get_pods)
	}
}

test_what_is_granted if {
	every attributes in [
		{"verb": "create", "group": "apps", "resource": "deployments", "namespace": "shop"},
		{"verb": "get", "resource": "pods", "subresource": "log", "namespace": "shop"},
	] {
		count(self_service.allow) == 1 with input as review_of("anna", [], attributes)
	}
}

test_what_is_not_granted if {
	every attributes in [
		{"verb": "delete", "resource": "pods", "namespace": "shop"},
		{"verb": "*", "resource": "pods", "namespace": "shop"},
		{"verb": "get", "resource": "*", "namespace": "shop"},
		{"verb": "get", "resource": "pods", "subresource": "exec", "namespace": "shop"},
		{"verb": "get", "group": "example.com", "resource": "pods", "namespace": "shop"},
		{"verb": "get", "resource": "pods", "namespace": "vault"},
		{"verb": "get", "resource": "pods", "namespace": "*"},
		{"verb": "get", "resource": "pods", "namespace": ""},
		{"verb": "get", "resource": "pods"},
	] {
		self_service.allow == set() with input as review_of("anna", ["shop-devs"], attributes)
	}
}

test_nothing_without_owners_or_a_known_namespace if {
	self_service.allow == set() with input as review_of("anna", ["shop-devs"], get_pods)
		with input.namespace.metadata.annotations as {}
	self_service.allow == set() with input as object.remove(review_of("anna", ["shop-devs"], get_pods), ["namespace"])
}
