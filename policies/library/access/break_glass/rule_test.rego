package portcullis.library.access.break_glass_test

import data.portcullis.library.access.break_glass

until := "2030-06-01T12:00:00Z"

before := time.parse_rfc3339_ns("2030-06-01T11:59:59Z")

grant := {
	"user": "anna",
	"until": until,
	"verbs": ["get", "create"],
	"resources": ["pods", "pods/exec", "deployments.apps"],
	"namespaces": ["shop"],
	"reason": "incident 4711",
}

everything := {
	"group": "on-call",
	"until": until,
	"verbs": ["*"],
	"resources": ["*"],
	"namespaces": ["*"],
	"reason": "incident 4712",
}

review(attributes) := review_of("anna", ["on-duty"], attributes)

review_of(user, groups, attributes) := {
	"apiVersion": "authorization.k8s.io/v1",
	"kind": "SubjectAccessReview",
	"spec": {"user": user, "groups": groups, "resourceAttributes": attributes},
	"parameters": {"grants": [grant, everything]},
}

get_pods := {"verb": "get", "resource": "pods", "namespace": "shop", "name": "a"}

granted := {"granted until 2030-06-01T12:00:00Z: incident 4711"}

test_what_is_granted if {
	every attributes in [
		get_pods,
		{"verb": "get", "resource": "pods", "subresource": "", "group": "", "namespace": "shop"},
		{"verb": "create", "resource": "pods", "subresource": "exec", "namespace": "shop"},
		{"verb": "get", "group": "apps", "resource": "deployments", "namespace": "shop"},
	] {
		break_glass.allow == granted with input as review(attributes) with time.now_ns as before
	}
}

test_what_is_not_granted if {
	every attributes in [
		{"verb": "delete", "resource": "pods", "namespace": "shop"},
		{"verb": "get", "resource": "pods", "namespace": "vault"},
		{"verb": "get", "resource": "pods"},
		{"verb": "get", "resource": "pods", "subresource": "log", "namespace": "shop"},
		{"verb": "get", "group": "apps", "resource": "deployments", "subresource": "scale", "namespace": "shop"},
		{"verb": "get", "resource": "deployments", "namespace": "shop"},
		{"verb": "get", "group": "example.com", "resource": "pods", "namespace": "shop"},
	] {
		break_glass.allow == set() with input as review(attributes) with time.now_ns as before
	}
}

test_stars if {
	every attributes in [
		{"verb": "delete", "resource": "pods", "namespace": "vault"},
		{"verb": "deletecollection", "group": "example.com", "resource": "widgets"},
		{"verb": "get", "resource": "*", "namespace": "vault"},
		{"verb": "get", "group": "*", "resource": "*"},
		{"verb": "get", "group": "*", "resource": "pods"},
	] {
		break_glass.allow == {"granted until 2030-06-01T12:00:00Z: incident 4712"} with time.now_ns as before
			with input as review_of("otto", ["on-call"], attributes)
	}
}

test_stars_stand_for_no_subresource_and_no_unusual_verb if {
	every attributes in [
		{"verb": "create", "resource": "pods", "subresource": "exec", "namespace": "shop"},
		{"verb": "impersonate", "resource": "users"},
		{"verb": "*", "resource": "pods", "subresource": "log"},
		{"verb": "*", "resource": "pods"},
		{"verb": "*", "group": "*", "resource": "*"},
		{"verb": "get", "resource": "pods", "subresource": "*"},
		{"verb": "get", "resource": "*", "subresource": "*"},
		{"verb": "get", "group": "*", "resource": "*", "subresource": "*"},
	] {
		break_glass.allow == set() with input as review_of("otto", ["on-call"], attributes) with time.now_ns as before
	}
}

test_a_question_with_a_star_is_no_name if {
	listing := {
		"user": "anna", "until": until, "verbs": ["get", "*"], "resources": ["pods/*", "*.apps", "*/*"],
		"namespaces": ["shop"], "reason": "stars that stand for nothing",
	}
	every attributes in [
		{"verb": "get", "resource": "pods", "subresource": "*", "namespace": "shop"},
		{"verb": "get", "group": "apps", "resource": "*", "namespace": "shop"},
		{"verb": "get", "resource": "*", "subresource": "*", "namespace": "shop"},
		{"verb": "*", "resource": "pods", "subresource": "*", "namespace": "shop"},
	] {
		break_glass.allow == set() with time.now_ns as before
			with input as object.union(review(attributes), {"parameters": {"grants": [listing]}})
	}
}

test_namespaces_by_a_pattern if {
	listing := object.union(grant, {"namespaces": ["prod-*", "*-a"]})
	got := {namespace |
		some namespace in ["prod-shop", "shop-a", "prod", "shop", "prod-*", "*", ""]
		count(break_glass.allow) > 0 with time.now_ns as before
			with input as object.union(review(object.union(get_pods, {"namespace": namespace})), {"parameters": {"grants": [listing]}})
	}
	got == {"prod-shop", "shop-a"}
	break_glass.allow == set() with time.now_ns as before
		with input as object.union(review({"verb": "get", "resource": "pods"}), {"parameters": {"grants": [object.union(grant, {"namespaces": ["**"]})]}})
}

test_nobody_else if {
	break_glass.allow == set() with input as review_of("otto", ["dev"], get_pods) with time.now_ns as before
}

test_nothing_once_expired if {
	break_glass.allow == set() with input as review(get_pods) with time.now_ns as time.parse_rfc3339_ns(until)
}

test_nothing_for_paths if {
	break_glass.allow == set() with time.now_ns as before with input as {
		"spec": {"user": "anna", "nonResourceAttributes": {"path": "/metrics", "verb": "get"}},
		"parameters": {"grants": [everything, grant]},
	}
}
