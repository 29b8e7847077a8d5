package portcullis.library.access.business_hours_test

import data.portcullis.library.access.business_hours

review_of(user, groups, attributes) := {
	"apiVersion": "authorization.k8s.io/v1",
	"kind": "SubjectAccessReview",
	"spec": {"user": user, "groups": groups, "resourceAttributes": attributes},
	"parameters": {
		"namespaces": ["prod-*"],
		"timeZone": "Europe/Berlin",
		"days": ["Monday", "Friday"],
		"from": "09:00",
		"to": "17:00",
		"closed": [{"from": "2030-12-20T16:00:00Z", "until": "2031-01-07T08:00:00Z", "reason": "the holidays"}],
		"verbs": ["create", "delete"],
		"exceptUsers": ["system:*"],
		"exceptGroups": ["on-call"],
	},
}

review := review_of("anna", ["dev"], {"verb": "create", "resource": "pods", "namespace": "prod-shop"})

at(written) := time.parse_rfc3339_ns(written)

test_within_the_hours if {
	every moment in [
		"2030-06-03T07:00:00Z", # Monday 09:00 in summer
		"2030-06-03T14:59:59Z", # Monday 16:59
		"2030-12-02T08:00:00Z", # Monday 09:00 in winter
		"2030-06-07T12:00:00Z", # Friday
	] {
		business_hours.deny == set() with input as review with time.now_ns as at(moment)
	}
}

test_outside_of_the_hours if {
	every moment, said in {
		"2030-06-03T06:59:59Z": "Monday 08:59",
		"2030-06-03T15:00:00Z": "Monday 17:00",
		"2030-06-04T10:00:00Z": "Tuesday 12:00",
		"2030-12-02T07:59:00Z": "Monday 08:59",
		"2030-06-09T23:00:00Z": "Monday 01:00",
	} {
		business_hours.deny == {concat("", [
			`nothing changes in namespace "prod-shop" before the next business hours, `,
			"Monday, Friday from 09:00 to 17:00 Europe/Berlin; it is ",
			said,
		])} with input as review with time.now_ns as at(moment)
	}
}

test_closed if {
	business_hours.deny == {`nothing changes in namespace "prod-shop" until 2031-01-07T08:00:00Z: the holidays`}
		with input as review
		with time.now_ns as at("2030-12-23T12:00:00Z")
}

test_all_day_ends_at_midnight if {
	business_hours.deny == set() with input as review
		with input.parameters.from as "00:00"
		with input.parameters.to as "24:00"
		with time.now_ns as at("2030-06-03T21:59:00Z")
}

test_hours_over_midnight if {
	opened := {moment |
		some moment in [
			"2030-06-03T15:59:59Z", # Monday 17:59
			"2030-06-03T16:00:00Z", # Monday 18:00
			"2030-06-04T05:59:59Z", # Tuesday 07:59
			"2030-06-04T06:00:00Z", # Tuesday 08:00
			"2030-06-04T18:00:00Z", # Tuesday 20:00, which is no day of them
			"2030-06-03T01:00:00Z", # Monday 03:00, of the Sunday before
			"2030-06-08T01:00:00Z", # Saturday 03:00, of Friday
		]
		business_hours.deny == set() with input as review
			with input.parameters.from as "18:00"
			with input.parameters.to as "08:00"
			with time.now_ns as at(moment)
	}
	opened == {"2030-06-03T16:00:00Z", "2030-06-04T05:59:59Z", "2030-06-08T01:00:00Z"}
}

night := at("2030-06-03T01:00:00Z")

test_questions_with_stars if {
	every attributes in [
		{"verb": "*", "resource": "pods", "namespace": "prod-shop"},
		{"verb": "create", "resource": "pods", "namespace": "*"},
	] {
		count(business_hours.deny) == 1 with input as review_of("anna", [], attributes) with time.now_ns as night
	}
	attributes := {"verb": "create", "resource": "nodes"}
	count(business_hours.deny) == 1 with input as review_of("anna", [], attributes)
		with input.parameters.namespaces as ["*"]
		with time.now_ns as night
}

test_others_are_not_this_policys_affair if {
	every attributes in [
		{"verb": "get", "resource": "pods", "namespace": "prod-shop"},
		{"verb": "create", "resource": "pods", "namespace": "dev"},
		{"verb": "create", "resource": "nodes"},
	] {
		business_hours.deny == set() with input as review_of("anna", [], attributes) with time.now_ns as night
	}
	business_hours.deny == set() with time.now_ns as night
		with input as {"spec": {"user": "anna", "nonResourceAttributes": {"path": "/api", "verb": "create"}}}
}

test_who_is_not_stopped if {
	attributes := {"verb": "create", "resource": "pods", "namespace": "prod-shop"}
	business_hours.deny == set() with input as review_of("system:serviceaccount:prod-shop:deployer", [], attributes)
		with time.now_ns as night
	business_hours.deny == set() with input as review_of("anna", ["on-call"], attributes) with time.now_ns as night
}

weekend := at("2030-06-08T12:00:00Z")

test_who_does_not_say_who_it_is_is_stopped if {
	attributes := {"verb": "create", "resource": "pods", "namespace": "prod-shop"}
	count(business_hours.deny) == 1 with input as review_of("system:anonymous", ["system:unauthenticated"], attributes) with time.now_ns as weekend
	count(business_hours.deny) == 1 with input as review_of("system:x", ["system:unauthenticated"], attributes) with time.now_ns as weekend
	business_hours.deny == set() with input as review_of("system:apiserver", [], attributes) with time.now_ns as weekend
}

test_a_shell_is_a_change if {
	every subresource in ["exec", "attach"] {
		attributes := {"verb": "get", "resource": "pods", "subresource": subresource, "namespace": "prod-shop"}
		count(business_hours.deny) == 1 with input as review_of("anna", ["dev"], attributes) with time.now_ns as weekend
	}
	business_hours.deny == set() with time.now_ns as weekend
		with input as review_of("anna", ["dev"], {"verb": "get", "resource": "pods", "subresource": "log", "namespace": "prod-shop"})
	business_hours.deny == set() with time.now_ns as weekend with input as object.union(
		review_of("anna", ["dev"], {"verb": "get", "resource": "pods", "subresource": "exec", "namespace": "prod-shop"}),
		{"parameters": {"verbs": ["delete"]}},
	)
}
