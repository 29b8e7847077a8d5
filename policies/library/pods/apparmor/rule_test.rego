package portcullis.library.pods.apparmor_test

import data.portcullis.library.pods.apparmor

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

profile(type) := {"appArmorProfile": {"type": type}}

test_unconfined_is_denied if {
	apparmor.deny == {
		{
			"message": `the Pod has the AppArmor profile "Unconfined"; set securityContext.appArmorProfile.type to RuntimeDefault or Localhost`,
			"field": "spec.securityContext.appArmorProfile.type",
		},
		{
			"message": `container "app" has the AppArmor profile "Unconfined"; set securityContext.appArmorProfile.type to RuntimeDefault or Localhost`,
			"field": "spec.containers[0].securityContext.appArmorProfile.type",
		},
	} with input as pod({}, contexts(profile("Unconfined"), profile("Unconfined")), "latest")
}

test_a_profile_without_a_type_is_denied if {
	every one in [{"appArmorProfile": {}}, profile(""), profile(null)] {
		count(apparmor.deny) == 1 with input as pod({}, contexts(null, one), "latest")
	}
}

test_an_annotation_is_denied if {
	apparmor.deny == {{
		"message": `the annotation container.apparmor.security.beta.kubernetes.io/app asks for the AppArmor profile "unconfined"; set it to runtime/default, or remove it`,
		"field": "metadata.annotations[container.apparmor.security.beta.kubernetes.io/app]",
	}} with input as pod({"container.apparmor.security.beta.kubernetes.io/app": "unconfined"}, {}, "latest")
}

test_profiles_of_the_runtime_and_of_the_node_are_allowed if {
	every type in ["RuntimeDefault", "Localhost"] {
		apparmor.deny == set() with input as pod({}, contexts(profile(type), profile(type)), "latest")
	}
	every value in ["runtime/default", "localhost/mine", "", null] {
		apparmor.deny == set() with input as pod({"container.apparmor.security.beta.kubernetes.io/app": value}, {}, "latest")
	}
	apparmor.deny == set() with input as pod({"example.com/app": "unconfined"}, contexts({"appArmorProfile": null}, null), "latest")
}
