package portcullis.library.pods.privileged_test

import data.portcullis.library.pods.privileged

pod(spec) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"spec": spec}},
	"parameters": {"exemptImages": ["registry.example.com/debug/*"]},
}

test_privileged_container_is_denied if {
	privileged.deny == {{
		"message": `container "app" is privileged; remove securityContext.privileged`,
		"field": "spec.containers[0].securityContext.privileged",
	}} with input as pod({"containers": [{"name": "app", "image": "nginx", "securityContext": {"privileged": true}}]})
}

test_init_and_ephemeral_containers_count if {
	messages := {finding.message | some finding in privileged.deny} with input as pod({
		"initContainers": [{"name": "setup", "securityContext": {"privileged": true}}],
		"ephemeralContainers": [{"name": "debug", "securityContext": {"privileged": true}}],
	})
	messages == {
		`init container "setup" is privileged; remove securityContext.privileged`,
		`ephemeral container "debug" is privileged; remove securityContext.privileged`,
	}
}

test_others_are_allowed if {
	privileged.deny == set() with input as pod({"containers": [
		{"name": "a"},
		{"name": "b", "securityContext": {"privileged": false}},
		{"name": "c", "image": "registry.example.com/debug/net/tools:1", "securityContext": {"privileged": true}},
	]})
}
