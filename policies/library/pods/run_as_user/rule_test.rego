package portcullis.library.pods.run_as_user_test

import data.portcullis.library.pods.run_as_user

pod(spec, version) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"spec": spec}},
	"parameters": {"version": version},
}

contexts(of_pod, of_container) := {
	"securityContext": of_pod,
	"containers": [{"name": "app", "securityContext": of_container}],
}

test_user_0_is_denied if {
	run_as_user.deny == {
		{
			"message": "the Pod runs as root; set securityContext.runAsUser to another user than 0",
			"field": "spec.securityContext.runAsUser",
		},
		{
			"message": `container "app" runs as root; set securityContext.runAsUser to another user than 0`,
			"field": "spec.containers[0].securityContext.runAsUser",
		},
	} with input as pod(contexts({"runAsUser": 0}, {"runAsUser": 0}), "latest")
}

test_others_are_allowed if {
	every context in [null, {}, {"runAsUser": null}, {"runAsUser": 1000}] {
		run_as_user.deny == set() with input as pod(contexts(context, context), "latest")
	}
}

test_before_it_was_in_the_standard if {
	run_as_user.deny == set() with input as pod(contexts({"runAsUser": 0}, null), "v1.22")
	count(run_as_user.deny) == 1 with input as pod(contexts({"runAsUser": 0}, null), "v1.23")
}

test_root_of_a_user_namespace_is_allowed_since if {
	spec := object.union(contexts({"runAsUser": 0}, null), {"hostUsers": false})
	count(run_as_user.deny) == 1 with input as pod(spec, "v1.34")
	run_as_user.deny == set() with input as pod(spec, "v1.35")
}
