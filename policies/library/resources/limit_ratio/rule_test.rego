package portcullis.library.resources.limit_ratio_test

import data.portcullis.library.resources.limit_ratio

pod(of_pod, of_container) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"spec": {
		"resources": of_pod,
		"containers": [{"name": "app", "image": "registry.example.com/app:1", "resources": of_container}],
	}}},
	"parameters": {"ratios": {"cpu": 2.5, "memory": 1}, "exemptImages": ["registry.example.com/batch/*"]},
}

test_limits_far_above_requests_are_denied if {
	limit_ratio.deny == {
		{
			"message": concat("", [
				`container "app" has the cpu limit 1, more than 2.5 times its request 300m; `,
				"raise the request or lower the limit",
			]),
			"field": "spec.containers[0].resources.limits.cpu",
		},
		{
			"message": concat("", [
				`container "app" has the memory limit 1025Mi, more than 1 times its request 1Gi; `,
				"raise the request or lower the limit",
			]),
			"field": "spec.containers[0].resources.limits.memory",
		},
	} with input as pod({}, {"requests": {"cpu": "300m", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1025Mi"}})
}

test_those_of_the_pod_are_judged_alike if {
	limit_ratio.deny == {{
		"message": "the Pod has the memory limit 2Gi, more than 1 times its request 1Gi; raise the request or lower the limit",
		"field": "spec.resources.limits.memory",
	}} with input as pod({"requests": {"memory": "1Gi"}, "limits": {"memory": "2Gi"}}, {})
}

test_what_is_no_quantity_is_denied if {
	every limit in ["much", "", {}, true] {
		count(limit_ratio.deny) == 1 with input as pod({}, {"requests": {"cpu": "1"}, "limits": {"cpu": limit}})
		count(limit_ratio.deny) == 1 with input as pod({}, {"requests": {"cpu": limit}, "limits": {"cpu": "1"}})
	}
}

test_nothing_times_anything_is_nothing if {
	count(limit_ratio.deny) == 1 with input as pod({}, {"requests": {"cpu": "0"}, "limits": {"cpu": "1m"}})
}

test_limits_near_to_requests_are_allowed if {
	every resources in [
		{"requests": {"cpu": "400m"}, "limits": {"cpu": 1}},
		{"requests": {"memory": "1Gi"}, "limits": {"memory": "1024Mi"}},
		{"requests": {"memory": "1Gi"}, "limits": {"memory": "1Gi"}},
		{"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}},
		{"limits": {"memory": "1Gi"}},
		{"requests": {"memory": "1Gi"}},
		{"requests": {"example.com/gpu": 1}, "limits": {"example.com/gpu": 8}},
		null,
	] {
		limit_ratio.deny == set() with input as pod(resources, resources)
	}
}

test_exempt_images_are_allowed if {
	input_pod := pod({}, {"requests": {"memory": "1Gi"}, "limits": {"memory": "2Gi"}})
	limit_ratio.deny == set() with input as input_pod with input.parameters.exemptImages as ["registry.example.com/*"]
	count(limit_ratio.deny) == 1 with input as input_pod
}
