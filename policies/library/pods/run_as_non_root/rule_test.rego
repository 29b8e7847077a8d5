package portcullis.library.pods.run_as_non_root_test

import data.portcullis.library.pods.run_as_non_root

pod(spec, version) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"spec": spec}},
	"parameters": {"version": version},
}

contexts(of_pod, of_container) := {
	"securityContext": of_pod,
	"containers": [{"name": "app", "securityContext": of_container}],
}

test_nothing_set_is_denied if {
	every context in [null, {}, {"runAsNonRoot": null}] {
		run_as_non_root.deny == {{
			"message": `container "app" may run as root; set securityContext.runAsNonRoot to true, there or for the Pod`,
			"field": "spec.containers[0].securityContext.runAsNonRoot",
		}} with input as pod(contexts(context, context), "latest")
	}
}

test_container_may_not_take_it_back if {
	run_as_non_root.deny == {{
		"message": `container "app" may run as root; set securityContext.runAsNonRoot to true`,
		"field": "spec.containers[0].securityContext.runAsNonRoot",
	}} with input as pod(contexts({"runAsNonRoot": true}, {"runAsNonRoot": false}), "v1.0")
}

test_pod_that_may_run_as_root_is_denied if {
	run_as_non_root.deny == {{
		"message": "the Pod may run as root; set securityContext.runAsNonRoot to true",
		"field": "spec.securityContext.runAsNonRoot",
	}} with input as pod(contexts({"runAsNonRoot": false}, {"runAsNonRoot": true}), "latest")
}

test_set_by_pod_or_container_is_allowed if {
	run_as_non_root.deny == set() with input as pod(contexts({"runAsNonRoot": true}, {"runAsNonRoot": null}), "latest")
	run_as_non_root.deny == set() with input as pod(contexts(null, {"runAsNonRoot": true}), "latest")
}

test_root_of_a_user_namespace_is_allowed_since if {
	spec := object.union(contexts({"runAsNonRoot": false}, null), {"hostUsers": false})
	count(run_as_non_root.deny) == 2 with input as pod(spec, "v1.34")
	run_as_non_root.deny == set() with input as pod(spec, "v1.35")
}
