package portcullis.library.apis.deprecated_test

import data.portcullis.library.apis.deprecated

asked(group, version, kind, target) := {
	"request": {
		"operation": "CREATE",
		"kind": {"group": "apps", "version": "v1", "kind": kind},
		"requestKind": {"group": group, "version": version, "kind": kind},
		"object": {"apiVersion": "apps/v1", "kind": kind},
	},
	"parameters": {"target": target},
}

test_what_goes_is_denied if {
	deprecated.deny == {{
		"message": "extensions/v1beta1 Deployment is not served from Kubernetes v1.16 on; use apps/v1",
		"field": "apiVersion",
	}} with input as asked("extensions", "v1beta1", "Deployment", "v1.37")
}

test_what_nothing_replaces_is_denied if {
	deprecated.deny == {{
		"message": "policy/v1beta1 PodSecurityPolicy is not served from Kubernetes v1.25 on; no other version of it is known",
		"field": "apiVersion",
	}} with input as asked("policy", "v1beta1", "PodSecurityPolicy", "v1.25")
}

test_until_the_target_it_is_allowed if {
	deprecated.deny == set() with input as asked("policy", "v1beta1", "PodDisruptionBudget", "v1.24")
	count(deprecated.deny) == 1 with input as asked("policy", "v1beta1", "PodDisruptionBudget", "v1.25")
	count(deprecated.deny) == 1 with input as asked("policy", "v1beta1", "PodDisruptionBudget", "v1.100")
}

test_what_stays_is_allowed if {
	deprecated.deny == set() with input as asked("apps", "v1", "Deployment", "v1.100")
	deprecated.deny == set() with input as asked("example.com", "v1beta1", "Deployment", "v1.100")
	deprecated.deny == set() with input as asked("policy", "v1beta1", "Other", "v1.100")
}

test_a_review_that_does_not_say_what_was_sent_is_judged_by_its_kind if {
	count(deprecated.deny) == 1 with input as {
		"request": {"operation": "CREATE", "kind": {"group": "batch", "version": "v1beta1", "kind": "CronJob"}, "requestKind": null},
		"parameters": {"target": "v1.37"},
	}
}
