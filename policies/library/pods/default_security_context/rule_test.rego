package portcullis.library.pods.default_security_context_test

import data.portcullis.library.pods.default_security_context

pod(spec) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"spec": spec}},
	"parameters": {"seccompProfile": "RuntimeDefault", "runAsNonRoot": true, "forbidPrivilegeEscalation": true},
}

seccomp := {"default": ["spec", "securityContext", "seccompProfile"], "value": {"type": "RuntimeDefault"}}

non_root := {"default": ["spec", "securityContext", "runAsNonRoot"], "value": true}

no_escalation(field, name) := {
	"default": ["spec", field, {"name": name}, "securityContext", "allowPrivilegeEscalation"],
	"value": false,
}

test_all_defaults if {
	default_security_context.mutate == {
		seccomp,
		non_root,
		no_escalation("containers", "app"),
		no_escalation("initContainers", "setup"),
	} with input as pod({"containers": [{"name": "app"}], "initContainers": [{"name": "setup"}]})
}

test_each_can_be_turned_off if {
	default_security_context.mutate == set() with input as pod({"containers": [{"name": "app"}]})
		with input.parameters as {"seccompProfile": "", "runAsNonRoot": false, "forbidPrivilegeEscalation": false}
}

test_no_contradiction_with_user_0 if {
	every spec in [{"securityContext": {"runAsUser": 0}}, {"containers": [{"securityContext": {"runAsUser": 0}}]}] {
		not non_root in default_security_context.mutate with input as pod(spec)
	}
}

test_no_contradiction_with_privileges if {
	every context in [
		{"privileged": true},
		{"capabilities": {"add": ["SYS_ADMIN"]}},
		{"capabilities": {"add": ["CAP_SYS_ADMIN"]}},
	] {
		default_security_context.mutate == {seccomp, non_root} with input as pod({"containers": [{
			"name": "app",
			"securityContext": context,
		}]})
	}
}

test_windows_pods_get_what_windows_knows if {
	default_security_context.mutate == {non_root} with input as pod({"os": {"name": "windows"}, "containers": [{"name": "app"}]})
}

test_objects_without_a_pod_are_left_alone if {
	default_security_context.mutate == set() with input as pod(null)
}
