package portcullis.library.images.trusted_test

import data.portcullis.library.images.trusted

review(name) := {
	"apiVersion": "imagepolicy.k8s.io/v1alpha1",
	"kind": "ImageReview",
	"spec": {"containers": [{"image": name}]},
	"parameters": {"trustedRegistries": ["registry.example.com"]},
}

test_tag_is_not_enough if {
	trusted.deny == {{
		"message": `the image "nginx:1.27" is not pinned; add its digest, as in REPOSITORY:TAG@sha256:...`,
		"field": "",
	}} with input as review("nginx:1.27")
}

test_digest_is_allowed if {
	digest := "sha256:7cc4b5aefd1d0cadf8d97d4350462ba51c694ebca145b08d7d41b41acc8db5aa"
	trusted.deny == set() with input as review(sprintf("nginx:1.27@%s", [digest]))
}

test_trusted_registry_is_allowed if {
	trusted.deny == set() with input as review("registry.example.com/app:1")
	count(trusted.deny) == 1 with input as review("registry.example.com.evil.org/app:1")
}

test_invalid_reference_is_denied if {
	count(trusted.deny) == 1 with input as review("nginx@sha256:short")
}
