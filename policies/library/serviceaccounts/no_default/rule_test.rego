package portcullis.library.serviceaccounts.no_default_test

import data.portcullis.library.serviceaccounts.no_default

pod(spec) := asked("Pod", {"spec": spec}, false)

asked(kind, object, without_token) := {
	"request": {"operation": "CREATE", "kind": {"kind": kind}, "object": object},
	"parameters": {"allowWithoutToken": without_token},
}

test_the_default_account_is_denied if {
	every spec in [
		{},
		{"serviceAccountName": "default"},
		{"serviceAccountName": ""},
		{"serviceAccountName": null},
		{"serviceAccountName": 7},
		{"serviceAccount": "default"},
		{"serviceAccountName": "default", "serviceAccount": "web"},
		{"serviceAccountName": "", "serviceAccount": ""},
	] {
		no_default.deny == {{
			"message": "Pod runs as the service account default; name one of its own in serviceAccountName",
			"field": "spec.serviceAccountName",
		}} with input as pod(spec)
	}
}

test_templates_count if {
	no_default.deny == {{
		"message": "CronJob runs as the service account default; name one of its own in serviceAccountName",
		"field": "spec.jobTemplate.spec.template.spec.serviceAccountName",
	}} with input as asked("CronJob", {"spec": {"jobTemplate": {"spec": {"template": {"spec": {}}}}}}, false)
}

test_other_accounts_are_allowed if {
	no_default.deny == set() with input as pod({"serviceAccountName": "web"})
	no_default.deny == set() with input as pod({"serviceAccount": "web"})
}

test_mirrors_of_static_pods_are_allowed if {
	mirror := {"metadata": {"annotations": {"kubernetes.io/config.mirror": "abc"}}, "spec": {}}
	no_default.deny == set() with input as asked("Pod", mirror, false)
	template := {"metadata": {"annotations": {"kubernetes.io/config.mirror": "abc"}}, "spec": {"template": {"spec": {}}}}
	count(no_default.deny) == 1 with input as asked("Deployment", template, false)
}

test_without_a_token_it_is_allowed_if_that_is_wanted if {
	no_default.deny == set() with input as asked("Pod", {"spec": {"automountServiceAccountToken": false}}, true)
	count(no_default.deny) == 1 with input as asked("Pod", {"spec": {"automountServiceAccountToken": false}}, false)
	count(no_default.deny) == 1 with input as asked("Pod", {"spec": {}}, true)
	count(no_default.deny) == 1 with input as asked("Pod", {"spec": {"automountServiceAccountToken": null}}, true)
}

test_a_token_that_is_mounted_by_hand_is_one if {
	spec := {
		"automountServiceAccountToken": false,
		"volumes": [{"name": "a"}, {"name": "b", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}],
	}
	count(no_default.deny) == 1 with input as asked("Pod", {"spec": spec}, true)
}
