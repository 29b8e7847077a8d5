package portcullis.library.pods.run_as_non_root_test

import data.portcullis.library.pods.run_as_non_root

pod(of_pod, of_container) := {"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"spec": {
	"securityContext": of_pod,
	"containers": [{"name": "app", "securityContext": of_container}],
}}}}

may_run_as_root := {
	"message": `container "app" may run as root; set securityContext.runAsNonRoot to true`,
	"field": "spec.containers[0].securityContext.runAsNonRoot",
}

test_nothing_set_is_denied if {
	run_as_non_root.deny == {may_run_as_root} with input as pod(null, null)
	run_as_non_root.deny == {may_run_as_root} with input as pod({"runAsUser": 1000}, {})
}

test_container_may_not_take_it_back if {
	run_as_non_root.deny == {may_run_as_root} with input as pod({"runAsNonRoot": true}, {"runAsNonRoot": false})
}

test_container_as_user_0_is_denied if {
	run_as_non_root.deny == {{
		"message": `container "app" runs as root; set securityContext.runAsUser to another user than 0`,
		"field": "spec.containers[0].securityContext.runAsUser",
	}} with input as pod({"runAsNonRoot": true}, {"runAsUser": 0})
}

test_pod_that_may_run_as_root_is_denied if {
	run_as_non_root.deny == {{
		"message": "the pod may run as root; set securityContext.runAsNonRoot to true",
		"field": "spec.securityContext.runAsNonRoot",
	}} with input as pod({"runAsNonRoot": false}, {"runAsNonRoot": true})
}

test_pod_as_user_0_is_denied if {
	run_as_non_root.deny == {{
		"message": "the pod runs as root; set securityContext.runAsUser to another user than 0",
		"field": "spec.securityContext.runAsUser",
	}} with input as pod({"runAsUser": 0}, {"runAsNonRoot": true, "runAsUser": 1000})
}

test_set_by_pod_or_container_is_allowed if {
	run_as_non_root.deny == set() with input as pod({"runAsNonRoot": true}, null)
	run_as_non_root.deny == set() with input as pod({"runAsNonRoot": true}, {"runAsNonRoot": null})
	run_as_non_root.deny == set() with input as pod(null, {"runAsNonRoot": true, "runAsUser": 1000})
}
