package portcullis.library.pods.seccomp_baseline_test

import data.portcullis.library.pods.seccomp_baseline

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
	seccomp_baseline.deny == {
		{
			"message": `the Pod has the seccomp profile "Unconfined"; set securityContext.seccompProfile.type to RuntimeDefault or Localhost`,
			"field": "spec.securityContext.seccompProfile.type",
		},
		{
			"message": `container "app" has the seccomp profile "Unconfined"; set securityContext.seccompProfile.type to RuntimeDefault or Localhost`,
			"field": "spec.containers[0].securityContext.seccompProfile.type",
		},
	} with input as pod({}, contexts(profile("Unconfined"), profile("Unconfined")), "v1.19")
}

test_a_profile_without_a_type_is_denied if {
	count(seccomp_baseline.deny) == 1 with input as pod({}, contexts(null, {"seccompProfile": {}}), "latest")
}

test_none_and_those_of_the_runtime_and_of_the_node_are_allowed if {
	every one in [null, {}, {"seccompProfile": null}, profile("RuntimeDefault"), profile("Localhost")] {
		seccomp_baseline.deny == set() with input as pod({}, contexts(one, one), "latest")
	}
	seccomp_baseline.deny == set() with input as pod(
		{"seccomp.security.alpha.kubernetes.io/pod": "unconfined"},
		contexts(null, null),
		"v1.19",
	)
}

test_before_fields_annotations_say_it if {
	containers := {"containers": [{"name": "app"}]}
	seccomp_baseline.deny == {{
		"message": `the annotation container.seccomp.security.alpha.kubernetes.io/app asks for the seccomp profile "unconfined"; set it to runtime/default`,
		"field": "metadata.annotations[container.seccomp.security.alpha.kubernetes.io/app]",
	}} with input as pod({"container.seccomp.security.alpha.kubernetes.io/app": "unconfined"}, containers, "v1.18")
	seccomp_baseline.deny == {{
		"message": `the annotation seccomp.security.alpha.kubernetes.io/pod asks for the seccomp profile ""; set it to runtime/default`,
		"field": "metadata.annotations[seccomp.security.alpha.kubernetes.io/pod]",
	}} with input as pod({"seccomp.security.alpha.kubernetes.io/pod": ""}, containers, "v1.0")
	every profile in ["runtime/default", "docker/default", "localhost/mine"] {
		seccomp_baseline.deny == set() with input as pod({"seccomp.security.alpha.kubernetes.io/pod": profile}, containers, "v1.18")
	}
	seccomp_baseline.deny == set() with input as pod({"container.seccomp.security.alpha.kubernetes.io/web": "unconfined"}, containers, "v1.18")
}
