package portcullis.library.pods.selinux_test

import data.portcullis.library.pods.selinux

pod(spec, version) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"spec": spec}},
	"parameters": {"version": version},
}

contexts(of_pod, of_container) := {
	"securityContext": of_pod,
	"containers": [{"name": "app", "securityContext": of_container}],
}

options(given) := {"seLinuxOptions": given}

test_another_type_is_denied if {
	selinux.deny == {
		{
			"message": "the Pod has the SELinux type spc_t; use container_t, container_init_t or container_kvm_t",
			"field": "spec.securityContext.seLinuxOptions.type",
		},
		{
			"message": `container "app" has the SELinux type spc_t; use container_t, container_init_t or container_kvm_t`,
			"field": "spec.containers[0].securityContext.seLinuxOptions.type",
		},
	} with input as pod(contexts(options({"type": "spc_t"}), options({"type": "spc_t"})), "latest")
}

test_a_user_or_role_is_denied if {
	selinux.deny == {
		{
			"message": "the Pod has the SELinux user system_u; remove seLinuxOptions.user",
			"field": "spec.securityContext.seLinuxOptions.user",
		},
		{
			"message": "the Pod has the SELinux role system_r; remove seLinuxOptions.role",
			"field": "spec.securityContext.seLinuxOptions.role",
		},
	} with input as pod(contexts(options({"user": "system_u", "role": "system_r"}), null), "latest")
}

test_types_of_containers_are_allowed if {
	every given in [null, {}, {"type": "container_t"}, {"type": null, "user": "", "role": null, "level": "s0"}] {
		selinux.deny == set() with input as pod(contexts(options(given), options(given)), "v1.0")
	}
}

test_an_engine_is_allowed_since if {
	engine := contexts(options({"type": "container_engine_t"}), null)
	count(selinux.deny) == 1 with input as pod(engine, "v1.30")
	selinux.deny == set() with input as pod(engine, "v1.31")
}
