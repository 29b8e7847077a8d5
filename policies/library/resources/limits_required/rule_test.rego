package portcullis.library.resources.limits_required_test

import data.portcullis.library.resources.limits_required

pod(resources) := pod_and_container({}, resources)

pod_and_container(of_pod, of_container) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"spec": {
		"resources": of_pod,
		"initContainers": [{"name": "setup", "resources": of_container}],
		"ephemeralContainers": [{"name": "debug"}],
	}}},
	"parameters": {"limits": ["memory"], "requests": ["cpu"], "maximum": {"memory": "1Gi"}, "exemptImages": ["registry.example.com/proxy:*"]},
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
	every limit in ["1025Mi", "2G", "1e99", 1073741825] {
		limits_required.deny == {{
			"message": sprintf("the memory limit %v is above 1Gi; lower it", [limit]),
			"field": "spec.initContainers[0].resources.limits.memory",
		}} with input as pod({"requests": {"cpu": "1m"}, "limits": {"memory": limit}})
	}
}

test_what_is_no_quantity_is_denied if {
	every value, said in {"1Gib": "1Gib", "": `""`} {
		limits_required.deny == {{
			"message": sprintf("the memory limit %s is no quantity; write one of 1Gi at most", [said]),
			"field": "spec.initContainers[0].resources.limits.memory",
		}} with input as pod({"requests": {"cpu": "1m"}, "limits": {"memory": value}})
			with input.parameters.limits as []
			with input.parameters.requests as []
	}
}

test_null_is_no_limit if {
	{f.message | some f in limits_required.deny} == {`init container "setup" has no memory in resources.limits; add it`}
		with input as pod({"requests": {"cpu": "1m", "memory": "1Mi"}, "limits": {"memory": null}})
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

test_exempt_images_are_allowed if {
	image := {"image": "registry.example.com/proxy:2"}
	limits_required.deny == set() with input as pod({}) with input.request.object.spec.initContainers as [image]
	over := object.union(image, {"resources": {"limits": {"memory": "2Gi"}}})
	count(limits_required.deny) == 1 with input as pod({}) with input.request.object.spec.initContainers as [over]
}

test_a_limit_is_a_request_as_well if {
	limited := {"limits": {"memory": "1Gi", "cpu": "1"}}
	limits_required.deny == set() with input as pod(limited)
	limits_required.deny == set() with input as pod_and_container(limited, {})
	count(limits_required.deny) == 1 with input as pod(object.union(limited, {"requests": {"cpu": "0"}}))
}

test_nothing_is_neither_a_limit_nor_a_request if {
	every nothing in ["0", 0, "0Mi", "-1", null, "x", {}] {
		count(limits_required.deny) == 2 with input as pod({"requests": {"cpu": nothing}, "limits": {"memory": nothing}})
			with input.parameters.maximum as {}
	}
}

test_too_high_a_request_is_denied if {
	limits_required.deny == {{
		"message": "the memory request 2Gi is above 1Gi; lower it",
		"field": "spec.initContainers[0].resources.requests.memory",
	}} with input as pod_and_container({"limits": {"memory": "1Gi"}}, {"requests": {"cpu": "1", "memory": "2Gi"}})
}
