package portcullis.library.images.allowed_registries_test

import data.portcullis.library.images.allowed_registries

parameters := {"registries": ["registry.example.com", "docker.io/library", "ghcr.io/acme/"]}

pod(name) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"spec": {"containers": [{"image": name}]}}},
	"parameters": parameters,
}

test_other_registries_are_denied if {
	allowed_registries.deny == {{
		"message": concat("", [
			"the image evil.org/registry.example.com/app is not from an allowed registry; ",
			"use one of registry.example.com, docker.io/library, ghcr.io/acme/",
		]),
		"field": "spec.containers[0].image",
	}} with input as pod("evil.org/registry.example.com/app:1")
}

test_lookalikes_are_denied if {
	every name in [
		"registry.example.com.evil.org/app",
		"registry.example.com:5000/app",
		"docker.io/libraryevil/app",
		"acme/app",
		"ghcr.io/acmeevil/app",
		"quay.io/library/nginx",
	] {
		count(allowed_registries.deny) == 1 with input as pod(name)
	}
}

test_allowed_registries_are_allowed if {
	every name in [
		"nginx",
		"nginx:1.27",
		"docker.io/nginx",
		"index.docker.io/library/nginx",
		"registry.example.com/a/b/c:1",
		"ghcr.io/acme/app@sha256:7cc4b5aefd1d0cadf8d97d4350462ba51c694ebca145b08d7d41b41acc8db5aa",
	] {
		allowed_registries.deny == set() with input as pod(name)
	}
}

test_both_names_of_docker_hub_are_known if {
	wanted := {"registries": ["index.docker.io/acme"]}
	every name in ["acme/app", "docker.io/acme/app", "index.docker.io/acme/app"] {
		allowed_registries.deny == set() with input as pod(name) with input.parameters as wanted
	}
	every name in ["nginx", "acmeevil/app", "registry.example.com/acme/app"] {
		count(allowed_registries.deny) == 1 with input as pod(name) with input.parameters as wanted
	}
}

test_invalid_reference_is_denied if {
	allowed_registries.deny == {{
		"message": `"https://registry.example.com/app" is not a valid image reference; write it as REGISTRY/REPOSITORY:TAG`,
		"field": "spec.containers[0].image",
	}} with input as pod("https://registry.example.com/app")
	count(allowed_registries.deny) == 1 with input as pod("")
	count(allowed_registries.deny) == 1 with input as pod(7)
}

test_image_volumes_and_ephemeral_containers_count if {
	fields := {finding.field | some finding in allowed_registries.deny} with input as {
		"request": {"operation": "UPDATE", "kind": {"kind": "Pod"}, "object": {"spec": {
			"ephemeralContainers": [{"image": "quay.io/a"}],
			"volumes": [{"image": {"reference": "quay.io/b"}}],
		}}},
		"parameters": parameters,
	}
	fields == {"spec.ephemeralContainers[0].image", "spec.volumes[0].image.reference"}
}

test_image_reviews_are_judged_alike if {
	review := {
		"kind": "ImageReview",
		"spec": {"containers": [{"image": "nginx"}, {"image": "quay.io/a"}]},
		"parameters": parameters,
	}
	allowed_registries.deny == {{
		"message": "the image quay.io/a is not from an allowed registry; use one of registry.example.com, docker.io/library, ghcr.io/acme/",
		"field": "",
	}} with input as review
}
