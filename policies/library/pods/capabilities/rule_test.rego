package portcullis.library.pods.capabilities_test

import data.portcullis.library.pods.capabilities

pod(container) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"spec": {"ephemeralContainers": [container]}}},
	"parameters": {"requiredDrops": ["ALL"], "allowedAdditions": ["NET_BIND_SERVICE"]},
}

test_keeping_capabilities_is_denied if {
	every container in [
		{"name": "debug"},
		{"name": "debug", "securityContext": {"capabilities": {"drop": ["NET_RAW"]}}},
		{"name": "debug", "securityContext": {"capabilities": null}},
	] {
		capabilities.deny == {{
			"message": `ephemeral container "debug" does not drop the capability ALL; add it to securityContext.capabilities.drop`,
			"field": "spec.ephemeralContainers[0].securityContext.capabilities.drop",
		}} with input as pod(container)
	}
}

test_adding_a_capability_is_denied if {
	capabilities.deny == {{
		"message": `ephemeral container "debug" adds the capability SYS_ADMIN; remove it from securityContext.capabilities.add`,
		"field": "spec.ephemeralContainers[0].securityContext.capabilities.add",
	}} with input as pod({"name": "debug", "securityContext": {"capabilities": {
		"drop": ["ALL"],
		"add": ["SYS_ADMIN", "NET_BIND_SERVICE"],
	}}})
}

test_dropping_all_is_allowed if {
	capabilities.deny == set() with input as pod({"securityContext": {"capabilities": {"drop": ["ALL"]}}})
}

test_dropping_all_drops_each if {
	capabilities.deny == set() with input as pod({"securityContext": {"capabilities": {"drop": ["ALL"]}}})
		with input.parameters.requiredDrops as ["NET_RAW"]
}
