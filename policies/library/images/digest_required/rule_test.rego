package portcullis.library.images.digest_required_test

import data.portcullis.library.images.digest_required

digest := "sha256:7cc4b5aefd1d0cadf8d97d4350462ba51c694ebca145b08d7d41b41acc8db5aa"

pod(name) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"spec": {"containers": [{"image": name}]}}},
	"parameters": {"exemptImages": ["registry.example.com/base/*"]},
}

test_tags_are_denied if {
	digest_required.deny == {{
		"message": `the image "nginx:1.27" has no digest; name it as REPOSITORY:TAG@sha256:...`,
		"field": "spec.containers[0].image",
	}} with input as pod("nginx:1.27")
}

test_whatever_has_no_digest_is_denied if {
	every name in ["nginx", "nginx@sha256:short", "", 7, {}, sprintf("Nginx@%s", [digest]), "registry.example.com/basement/app:1"] {
		count(digest_required.deny) == 1 with input as pod(name)
	}
}

test_digests_are_allowed if {
	every name in [sprintf("nginx@%s", [digest]), sprintf("registry.example.com:5000/a:1.2@%s", [digest])] {
		digest_required.deny == set() with input as pod(name)
	}
}

test_exempt_images_are_allowed if {
	digest_required.deny == set() with input as pod("registry.example.com/base/app:1")
}

test_images_are_found_wherever_they_are if {
	spec := {
		"initContainers": [{"image": "a"}],
		"ephemeralContainers": [{"image": "b"}],
		"volumes": [{"emptyDir": {}}, {"image": {"reference": "c"}}],
	}
	{f.field | some f in digest_required.deny} == {
		"spec.template.spec.initContainers[0].image",
		"spec.template.spec.ephemeralContainers[0].image",
		"spec.template.spec.volumes[1].image.reference",
	} with input as {
		"request": {"operation": "UPDATE", "kind": {"kind": "Deployment"}, "object": {"spec": {"template": {"spec": spec}}}},
		"parameters": {"exemptImages": []},
	}
}
