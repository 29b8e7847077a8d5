package portcullis.library.pods.default_security_context_test

import data.portcullis.library.pods.default_security_context

pod(spec) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"spec": spec}},
	"parameters": {
		"seccompProfile": "RuntimeDefault", "runAsNonRoot": true,
		"forbidPrivilegeEscalation": true, "dropCapabilities": true,
	},
}

seccomp := {"default": ["spec", "securityContext", "seccompProfile"], "value": {"type": "RuntimeDefault"}}

non_root := {"default": ["spec", "securityContext", "runAsNonRoot"], "value": true}

said_of(field, name, path, value) := {
	"default": array.concat(["spec", field, {"name": name}, "securityContext"], path),
	"value": value,
}

no_escalation(field, name) := said_of(field, name, ["allowPrivilegeEscalation"], false)

no_capabilities(field, name) := said_of(field, name, ["capabilities", "drop"], ["ALL"])

not_as_root(field, name) := said_of(field, name, ["runAsNonRoot"], true)

test_all_defaults if {
	default_security_context.mutate == {
		seccomp,
		non_root,
		no_escalation("containers", "app"),
		no_capabilities("containers", "app"),
		no_escalation("initContainers", "setup"),
		no_capabilities("initContainers", "setup"),
	} with input as pod({"containers": [{"name": "app"}], "initContainers": [{"name": "setup"}]})
}

test_each_can_be_turned_off if {
	default_security_context.mutate == set() with input as pod({"containers": [{"name": "app"}]})
		with input.parameters as {
			"seccompProfile": "", "runAsNonRoot": false,
			"forbidPrivilegeEscalation": false, "dropCapabilities": false,
		}
}

test_no_contradiction_with_user_0 if {
	spec := {"securityContext": {"runAsUser": 0}, "containers": [{"name": "app"}]}
	default_security_context.mutate == {seccomp, no_escalation("containers", "app")} with input as pod(spec)
}

test_a_container_with_user_0_is_root_alone if {
	default_security_context.mutate == {
		seccomp,
		no_escalation("containers", "root"),
		no_escalation("containers", "app"),
		no_capabilities("containers", "app"),
		not_as_root("containers", "app"),
	} with input as pod({"containers": [{"name": "root", "securityContext": {"runAsUser": 0}}, {"name": "app"}]})
	default_security_context.mutate == {
		seccomp,
		no_escalation("containers", "root"),
		no_escalation("containers", "app"),
		no_capabilities("containers", "app"),
		not_as_root("containers", "app"),
	} with input as pod({
		"securityContext": {"runAsUser": 0},
		"containers": [{"name": "root", "securityContext": {"runAsUser": null}}, {"name": "app", "securityContext": {"runAsUser": 1}}],
	})
}

test_what_the_pod_says_of_root_stays if {
	every said in [true, false] {
		spec := {"securityContext": {"runAsNonRoot": said}, "containers": [{"name": "root", "securityContext": {"runAsUser": 0}}, {"name": "app"}]}
		not not_as_root("containers", "app") in default_security_context.mutate with input as pod(spec)
	}
}

test_root_of_a_user_namespace_may_be_root if {
	default_security_context.mutate == {
		seccomp,
		no_escalation("containers", "app"),
		no_capabilities("containers", "app"),
	} with input as pod({"hostUsers": false, "containers": [{"name": "app"}]})
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
	every of in [{"os": {"name": "windows"}}, {"nodeSelector": {"kubernetes.io/os": "windows"}}] {
		spec := object.union(of, {"containers": [{"name": "app"}]})
		default_security_context.mutate == {non_root} with input as pod(spec)
	}
}

test_accounts_of_windows_are_kept if {
	every options in [{"runAsUserName": "ContainerAdministrator"}, {"hostProcess": true}] {
		context := {"windowsOptions": options}
		default_security_context.mutate == set() with input as pod({
			"os": {"name": "windows"},
			"securityContext": context,
			"containers": [{"name": "app"}],
		})
		default_security_context.mutate == {not_as_root("containers", "b")} with input as pod({
			"os": {"name": "windows"},
			"containers": [{"name": "a", "securityContext": context}, {"name": "b"}],
		})
	}
	default_security_context.mutate == {non_root} with input as pod({
		"os": {"name": "windows"},
		"containers": [{"name": "a", "securityContext": {"windowsOptions": {"hostProcess": false, "runAsUserName": null}}}],
	})
}

test_of_a_pod_that_exists_only_new_ephemeral_containers_are_edited if {
	spec := {"containers": [{"name": "app"}], "ephemeralContainers": [{"name": "old"}, {"name": "new"}]}
	old := {"spec": {"containers": [{"name": "app"}], "ephemeralContainers": [{"name": "old"}]}}
	review := object.union(pod(spec), {"request": {"operation": "UPDATE", "oldObject": old}})
	default_security_context.mutate == {
		no_escalation("ephemeralContainers", "new"),
		no_capabilities("ephemeralContainers", "new"),
		not_as_root("ephemeralContainers", "new"),
	} with input as review
}

test_objects_without_a_pod_are_left_alone if {
	default_security_context.mutate == set() with input as pod(null)
}
