package portcullis.library.pods.capabilities_baseline_test

import data.portcullis.library.pods.capabilities_baseline

pod(spec, version) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"spec": spec}},
	"parameters": {"version": version},
}

capabilities(given) := {"ephemeralContainers": [{"name": "debug", "securityContext": {"capabilities": given}}]}

test_adding_more_than_the_usual_is_denied if {
	capabilities_baseline.deny == {{
		"message": `ephemeral container "debug" adds the capability SYS_ADMIN; remove it from securityContext.capabilities.add`,
		"field": "spec.ephemeralContainers[0].securityContext.capabilities.add[1]",
	}} with input as pod(capabilities({"add": ["CHOWN", "SYS_ADMIN"]}), "latest")
}

test_what_is_no_capability_is_denied if {
	every name in ["", "chown", "CAP_CHOWN", "ALL", null] {
		count(capabilities_baseline.deny) == 1 with input as pod(capabilities({"add": [name]}), "latest")
	}
}

test_the_usual_is_allowed if {
	every given in [null, {}, {"add": null}, {"add": []}, {"add": ["CHOWN", "NET_BIND_SERVICE"]}, {"drop": ["ALL"]}] {
		capabilities_baseline.deny == set() with input as pod(capabilities(given), "latest")
	}
}
