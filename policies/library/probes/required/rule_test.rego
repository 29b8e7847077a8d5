package portcullis.library.probes.required_test

import data.portcullis.library.probes.required

pod(spec) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"spec": spec}},
	"parameters": {"probes": ["livenessProbe", "readinessProbe"], "sidecars": true, "exemptImages": ["registry.example.com/proxy:*"]},
}

probed := {"name": "app", "livenessProbe": {"httpGet": {"port": 80}}, "readinessProbe": {"httpGet": {"port": 80}}}

test_missing_probes_are_denied if {
	required.deny == {
		{"message": `container "app" has no livenessProbe; add one`, "field": "spec.containers[0].livenessProbe"},
		{"message": `container "app" has no readinessProbe; add one`, "field": "spec.containers[0].readinessProbe"},
	} with input as pod({"containers": [{"name": "app"}]})
}

test_null_is_no_probe if {
	container := object.union(probed, {"readinessProbe": null})
	required.deny == {{
		"message": `container "app" has no readinessProbe; add one`,
		"field": "spec.containers[0].readinessProbe",
	}} with input as pod({"containers": [container], "restartPolicy": "Always"})
}

test_containers_with_probes_are_allowed if {
	required.deny == set() with input as pod({"containers": [probed]})
}

test_what_is_to_end_is_allowed if {
	every policy in ["Never", "OnFailure"] {
		required.deny == set() with input as pod({"restartPolicy": policy, "containers": [{"name": "app"}]})
		required.deny == set() with input as pod({"containers": [{"name": "app", "restartPolicy": policy}]})
	}
}

test_the_policy_of_the_container_comes_first if {
	count(required.deny) == 2 with input as pod({
		"restartPolicy": "Never",
		"containers": [{"name": "app", "restartPolicy": "Always"}],
	})
}

test_init_and_ephemeral_containers_are_allowed if {
	required.deny == set() with input as pod({
		"containers": [probed],
		"initContainers": [{"name": "setup"}, {"name": "again", "restartPolicy": "OnFailure"}],
		"ephemeralContainers": [{"name": "debug"}],
	})
}

test_sidecars_need_probes_unless_they_do_not if {
	spec := {"initContainers": [{"name": "proxy", "restartPolicy": "Always", "readinessProbe": {"grpc": {"port": 1}}}]}
	required.deny == {{
		"message": `init container "proxy" has no livenessProbe; add one`,
		"field": "spec.initContainers[0].livenessProbe",
	}} with input as pod(spec)
	required.deny == set() with input as pod(spec) with input.parameters.sidecars as false
}

test_exempt_images_are_allowed if {
	required.deny == set() with input as pod({"containers": [{"image": "registry.example.com/proxy:1"}]})
	count(required.deny) == 2 with input as pod({"containers": [{"image": "registry.example.com/other:1"}]})
}
