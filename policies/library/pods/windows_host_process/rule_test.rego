package portcullis.library.pods.windows_host_process_test

import data.portcullis.library.pods.windows_host_process

pod(spec, version) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"spec": spec}},
	"parameters": {"version": version},
}

contexts(of_pod, of_container) := {
	"securityContext": of_pod,
	"containers": [{"name": "app", "securityContext": of_container}],
}

options(given) := {"windowsOptions": given}

test_a_host_process_is_denied if {
	windows_host_process.deny == {
		{
			"message": "the Pod runs on the node itself; remove securityContext.windowsOptions.hostProcess",
			"field": "spec.securityContext.windowsOptions.hostProcess",
		},
		{
			"message": `container "app" runs on the node itself; remove securityContext.windowsOptions.hostProcess`,
			"field": "spec.containers[0].securityContext.windowsOptions.hostProcess",
		},
	} with input as pod(contexts(options({"hostProcess": true}), options({"hostProcess": true})), "latest")
}

test_others_are_allowed if {
	every given in [null, {}, {"hostProcess": false}, {"hostProcess": null}] {
		windows_host_process.deny == set() with input as pod(contexts(options(given), options(given)), "latest")
	}
}
