package portcullis.library.resources.limits_required_test

import data.portcullis.library.resources.limits_required

pod(resources) := pod_and_container({}, resources)

pod_and_container(of_pod, of_container) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"spec": {
		"resources": of_pod,
		"initContainers": [{"name": "setup", "resources": of_container}],
		"ephemeralContainers": [{"name": "debug"}],
	}}},
	"parameters": {"limits": ["memory"], "requests": ["cpu"], "maximum": {"memory": "1Gi"}},
}

test_missing_limits_and_requests_are_denied if {
	limits_required.deny == {
		{
			"message": `init container "setup" has no memory in resources.limits; add it`,
			"field": "spec.initContainers[0].resources.limits",
		},
		{
			"message": `init container "setup" has no cpu in resources.requests; add it`,
			"field": "spec.initContainers[0].resources.requests",
		},
	} with input as pod({"requests": {"memory": "1Mi"}})
}

test_too_high_a_limit_is_denied if {
	every limit in ["1025Mi", "2G", "1e99", 1073741825, "unlimited"] {
		limits_required.deny == {{
			"message": sprintf("the memory limit %v is above 1Gi; lower it", [limit]),
			"field": "spec.initContainers[0].resources.limits.memory",
		}} with input as pod({"requests": {"cpu": "1m"}, "limits": {"memory": limit}})
	}
}

test_too_high_a_limit_of_the_pod_is_denied if {
	limits_required.deny == {{
		"message": "the memory limit 2Gi is above 1Gi; lower it",
		"field": "spec.resources.limits.memory",
	}} with input as pod_and_container({"requests": {"cpu": "1m"}, "limits": {"memory": "2Gi"}}, {})
}

test_resources_as_required_are_allowed if {
	limits_required.deny == set() with input as pod({"requests": {"cpu": "1m"}, "limits": {"memory": "1024Mi"}})
}

test_resources_of_the_pod_suffice if {
	resources := {"requests": {"cpu": "1m"}, "limits": {"memory": "1Gi"}}
	limits_required.deny == set() with input as pod_and_container(resources, {})
}
