package portcullis.library.pods.seccomp_restricted_test

import data.portcullis.library.pods.seccomp_restricted

pod(annotations, spec, version) := {
	"request": {
		"operation": "CREATE",
		"kind": {"kind": "Pod"},
		"object": {"metadata": {"annotations": annotations}, "spec": spec},
	},
	"parameters": {"version": version},
}

contexts(of_pod, of_container) := {
	"securityContext": of_pod,
	"containers": [{"name": "app", "securityContext": of_container}],
}

profile(type) := {"seccompProfile": {"type": type}}

test_unconfined_is_denied if {
	seccomp_restricted.deny == {
		{
			"message": `the Pod has the seccomp profile "Unconfined"; set securityContext.seccompProfile.type to RuntimeDefault or Localhost`,
			"field": "spec.securityContext.seccompProfile.type",
		},
		{
			"message": `container "app" has the seccomp profile "Unconfined"; set securityContext.seccompProfile.type to RuntimeDefault or Localhost`,
			"field": "spec.containers[0].securityContext.seccompProfile.type",
		},
	} with input as pod({}, contexts(profile("Unconfined"), profile("Unconfined")), "latest")
}

test_none_is_denied if {
	every one in [null, {}, {"seccompProfile": null}] {
		seccomp_restricted.deny == {{
			"message": `container "app" has no seccomp profile; set securityContext.seccompProfile.type to RuntimeDefault or Localhost, there or for the Pod`,
			"field": "spec.containers[0].securityContext.seccompProfile.type",
		}} with input as pod({}, contexts(one, one), "v1.19")
	}
}

test_one_for_the_pod_or_for_the_container_is_allowed if {
	every type in ["RuntimeDefault", "Localhost"] {
		seccomp_restricted.deny == set() with input as pod({}, contexts(profile(type), null), "latest")
		seccomp_restricted.deny == set() with input as pod({}, contexts(null, profile(type)), "latest")
	}
}

test_windows_has_no_seccomp if {
	windows := object.union(contexts(null, null), {"os": {"name": "windows"}})
	seccomp_restricted.deny == set() with input as pod({}, windows, "v1.25")
	count(seccomp_restricted.deny) == 1 with input as pod({}, windows, "v1.24")
}

test_before_fields_annotations_say_it if {
	containers := {"containers": [{"name": "app"}]}
	seccomp_restricted.deny == {{
		"message": `the annotation container.seccomp.security.alpha.kubernetes.io/app asks for the seccomp profile "unconfined"; set it to runtime/default`,
		"field": "metadata.annotations[container.seccomp.security.alpha.kubernetes.io/app]",
	}} with input as pod({"container.seccomp.security.alpha.kubernetes.io/app": "unconfined"}, containers, "v1.18")
	seccomp_restricted.deny == {{
		"message": `the annotation seccomp.security.alpha.kubernetes.io/pod asks for the seccomp profile ""; set it to runtime/default`,
		"field": "metadata.annotations[seccomp.security.alpha.kubernetes.io/pod]",
	}} with input as pod({"seccomp.security.alpha.kubernetes.io/pod": ""}, containers, "v1.0")
	every profile in ["runtime/default", "docker/default", "localhost/mine"] {
		seccomp_restricted.deny == set() with input as pod({"seccomp.security.alpha.kubernetes.io/pod": profile}, containers, "v1.18")
	}
	seccomp_restricted.deny == set() with input as pod({"container.seccomp.security.alpha.kubernetes.io/web": "unconfined"}, containers, "v1.18")
}
