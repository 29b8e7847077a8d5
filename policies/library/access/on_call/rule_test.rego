package portcullis.library.access.on_call_test

import data.portcullis.library.access.on_call

review_of(user, groups, attributes) := {
	"apiVersion": "authorization.k8s.io/v1",
	"kind": "SubjectAccessReview",
	"spec": {"user": user, "groups": groups, "resourceAttributes": attributes},
	"parameters": {
		"timeZone": "Europe/Berlin",
		"shifts": [
			{"name": "day", "users": ["anna"], "days": ["Monday"], "from": "09:00", "to": "17:00"},
			{"name": "night", "groups": ["night-watch"], "days": ["Monday"], "from": "17:00", "to": "09:00"},
		],
		"verbs": ["get", "create", "update"],
		"resources": ["pods", "pods/exec", "deployments.apps/scale"],
		"namespaces": ["shop", "shop-*"],
	},
}

get_pods := {"verb": "get", "resource": "pods", "namespace": "shop"}

at(written) := time.parse_rfc3339_ns(written)

noon := at("2030-06-03T10:00:00Z") # a Monday

test_during_the_day if {
	every moment in ["2030-06-03T07:00:00Z", "2030-06-03T14:59:59Z"] {
		on_call.allow == {"on call: day"} with input as review_of("anna", [], get_pods) with time.now_ns as at(moment)
	}
	every moment in ["2030-06-03T06:59:59Z", "2030-06-03T15:00:00Z", "2030-06-04T10:00:00Z"] {
		on_call.allow == set() with input as review_of("anna", [], get_pods) with time.now_ns as at(moment)
	}
}

test_over_midnight if {
	every moment in ["2030-06-03T15:00:00Z", "2030-06-03T22:30:00Z", "2030-06-04T06:59:59Z"] {
		on_call.allow == {"on call: night"} with input as review_of("otto", ["night-watch"], get_pods) with time.now_ns as at(moment)
	}
	every moment in ["2030-06-03T06:00:00Z", "2030-06-03T14:59:59Z", "2030-06-04T07:00:00Z", "2030-06-04T15:00:00Z"] {
		on_call.allow == set() with input as review_of("otto", ["night-watch"], get_pods) with time.now_ns as at(moment)
	}
}

# In Berlin the clock goes from 2:00 to 3:00 on Sunday, 31 March 2030.
test_on_the_day_that_is_shorter if {
	on_call.allow == {"on call: night"} with input as review_of("otto", ["night-watch"], get_pods)
		with input.parameters.shifts as [{"name": "night", "groups": ["night-watch"], "days": ["Sunday"], "from": "17:00", "to": "09:00"}]
		with time.now_ns as at("2030-03-31T22:15:00Z")
}

test_what_is_granted if {
	every attributes in [
		{"verb": "create", "resource": "pods", "subresource": "exec", "namespace": "shop-eu"},
		{"verb": "update", "group": "apps", "resource": "deployments", "subresource": "scale", "namespace": "shop"},
		{"verb": "get", "group": "", "resource": "pods", "subresource": "", "namespace": "shop"},
	] {
		on_call.allow == {"on call: day"} with input as review_of("anna", null, attributes) with time.now_ns as noon
	}
}

test_what_is_not_granted if {
	every attributes in [
		{"verb": "delete", "resource": "pods", "namespace": "shop"},
		{"verb": "*", "resource": "pods", "namespace": "shop"},
		{"verb": "get", "resource": "*", "namespace": "shop"},
		{"verb": "get", "resource": "secrets", "namespace": "shop"},
		{"verb": "get", "resource": "pods", "subresource": "log", "namespace": "shop"},
		{"verb": "get", "resource": "pods", "namespace": "vault"},
		{"verb": "get", "resource": "pods"},
	] {
		on_call.allow == set() with input as review_of("anna", [], attributes) with time.now_ns as noon
	}
	every namespace in ["", "*"] {
		on_call.allow == set() with input as review_of("anna", [], object.union(get_pods, {"namespace": namespace}))
			with input.parameters.namespaces as ["*"]
			with time.now_ns as noon
	}
	on_call.allow == set() with time.now_ns as noon
		with input as {"spec": {"user": "anna", "nonResourceAttributes": {"path": "/metrics", "verb": "get"}}}
}

test_nobody_else if {
	on_call.allow == set() with input as review_of("otto", ["dev"], get_pods) with time.now_ns as noon
}
