package portcullis.library.pods.sysctls_test

import data.portcullis.library.pods.sysctls

pod(spec, version) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"spec": spec}},
	"parameters": {"version": version},
}

sysctls_of(names) := {"securityContext": {"sysctls": [{"name": name, "value": "1"} | some name in names]}}

test_an_unsafe_sysctl_is_denied if {
	sysctls.deny == {{
		"message": `the sysctl "kernel.msgmax" is not known to be safe; remove it`,
		"field": "spec.securityContext.sysctls[1].name",
	}} with input as pod(sysctls_of(["net.ipv4.tcp_syncookies", "kernel.msgmax"]), "latest")
}

test_one_without_a_name_is_denied if {
	every sysctl in [null, {}, {"name": null}, {"name": ""}] {
		sysctls.deny == {{
			"message": `the sysctl "" is not known to be safe; remove it`,
			"field": "spec.securityContext.sysctls[0].name",
		}} with input as pod({"securityContext": {"sysctls": [sysctl]}}, "latest")
	}
}

test_versions_differ if {
	every name, since in {
		"net.ipv4.ip_local_reserved_ports": 27,
		"net.ipv4.tcp_fin_timeout": 29,
		"net.ipv4.tcp_rmem": 32,
		"net.ipv4.tcp_notsent_lowat": 37,
	} {
		count(sysctls.deny) == 1 with input as pod(sysctls_of([name]), sprintf("v1.%d", [since - 1]))
		sysctls.deny == set() with input as pod(sysctls_of([name]), sprintf("v1.%d", [since]))
	}
}

test_safe_ones_are_allowed if {
	sysctls.deny == set() with input as pod(sysctls_of(["kernel.shm_rmid_forced"]), "v1.0")
	sysctls.deny == set() with input as pod(sysctls_of([]), "latest")
	sysctls.deny == set() with input as pod({"securityContext": null}, "latest")
}
