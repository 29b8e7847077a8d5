package portcullis.library.pods.capabilities_restricted_test

import data.portcullis.library.pods.capabilities_restricted

pod(spec, version) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"spec": spec}},
	"parameters": {"version": version},
}

capabilities(given) := {"ephemeralContainers": [{"name": "debug", "securityContext": {"capabilities": given}}]}

test_keeping_capabilities_is_denied if {
	every given in [null, {}, {"drop": ["NET_RAW"]}, {"drop": "ALL"}] {
		capabilities_restricted.deny == {{
			"message": `ephemeral container "debug" does not drop the capability ALL; add it to securityContext.capabilities.drop`,
			"field": "spec.ephemeralContainers[0].securityContext.capabilities.drop",
		}} with input as pod(capabilities(given), "latest")
	}
}

test_adding_a_capability_is_denied if {
	every version in ["v1.22", "latest"] {
		capabilities_restricted.deny == {{
			"message": `ephemeral container "debug" adds the capability CHOWN; remove it from securityContext.capabilities.add`,
			"field": "spec.ephemeralContainers[0].securityContext.capabilities.add[1]",
		}} with input as pod(capabilities({"drop": ["ALL"], "add": ["NET_BIND_SERVICE", "CHOWN"]}), version)
	}
}

test_before_it_was_in_the_standard if {
	capabilities_restricted.deny == set() with input as pod(capabilities({"add": ["CHOWN"]}), "v1.21")
	capabilities_restricted.deny == {{
		"message": `ephemeral container "debug" adds the capability SYS_ADMIN; remove it from securityContext.capabilities.add`,
		"field": "spec.ephemeralContainers[0].securityContext.capabilities.add[0]",
	}} with input as pod(capabilities({"add": ["SYS_ADMIN"]}), "v1.21")
}

test_dropping_all_is_allowed if {
	capabilities_restricted.deny == set() with input as pod(capabilities({"drop": ["ALL"]}), "latest")
	capabilities_restricted.deny == set() with input as pod(capabilities({"drop": ["NET_RAW", "ALL"], "add": []}), "latest")
}

test_windows_has_no_capabilities if {
	windows := object.union(capabilities({"add": ["CHOWN"]}), {"os": {"name": "windows"}})
	capabilities_restricted.deny == set() with input as pod(windows, "v1.25")
	count(capabilities_restricted.deny) == 2 with input as pod(windows, "v1.24")
}
