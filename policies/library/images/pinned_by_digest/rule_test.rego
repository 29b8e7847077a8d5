package portcullis.library.images.pinned_by_digest_test

import data.portcullis.library.images.pinned_by_digest

pod(operation, spec, old) := {
	"request": {"operation": operation, "kind": {"kind": "Pod"}, "object": {"spec": spec}, "oldObject": old},
	"parameters": {"digests": {
		"nginx:1.27": "sha256:aa",
		"docker.io/library/redis": "sha256:bb",
		"shop/app:latest": "sha256:cc",
		"registry.example.com:5000/shop/app:1.4": "sha256:dd",
		"index.docker.io/library/busybox:1": "sha256:ee",
		"postgres": "sha256:first",
		"docker.io/library/postgres:latest": "sha256:second",
	}},
}

one(image) := pod("CREATE", {"containers": [{"name": "app", "image": image}]}, null)

becomes(image) := {{"set": ["spec", "containers", {"name": "app"}, "image"], "value": image}}

test_names_are_compared_by_the_grammar if {
	every written, digest in {
		"nginx:1.27": "aa",
		"docker.io/nginx:1.27": "aa",
		"library/nginx:1.27": "aa",
		"docker.io/library/nginx:1.27": "aa",
		"redis": "bb",
		"redis:latest": "bb",
		"shop/app": "cc",
		"docker.io/shop/app:latest": "cc",
		"registry.example.com:5000/shop/app:1.4": "dd",
		"busybox:1": "ee",
		"postgres": "first",
		"docker.io/library/postgres": "first",
		"postgres:latest": "second",
	} {
		pinned_by_digest.mutate == becomes(concat("@sha256:", [written, digest])) with input as one(written)
	}
}

test_others_stay if {
	every written in [
		"nginx",
		"nginx:1.28",
		"nginx:1.27@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"example.com/nginx:1.27",
		"registry.example.com:5000/library/nginx:1.27",
		"Not an image",
		"",
		null,
	] {
		pinned_by_digest.mutate == set() with input as one(written)
	}
}

test_every_place_of_an_image if {
	pinned_by_digest.mutate == {
		{"set": ["spec", "initContainers", {"name": "a"}, "image"], "value": "nginx:1.27@sha256:aa"},
		{"set": ["spec", "ephemeralContainers", {"name": "b"}, "image"], "value": "nginx:1.27@sha256:aa"},
		{"set": ["spec", "volumes", {"name": "c"}, "image", "reference"], "value": "nginx:1.27@sha256:aa"},
	} with input as pod(
		"CREATE", {
			"initContainers": [{"name": "a", "image": "nginx:1.27"}],
			"ephemeralContainers": [{"name": "b", "image": "nginx:1.27"}],
			"volumes": [{"name": "c", "image": {"reference": "nginx:1.27"}}, {"name": "tmp", "emptyDir": {}}],
		},
		null,
	)
}

test_what_an_update_leaves_alone_stays if {
	old := {"spec": {"containers": [{"name": "app", "image": "nginx:1.27"}]}}
	same := {
		"containers": [{"name": "app", "image": "nginx:1.27"}],
		"volumes": [{"name": "model", "image": {"reference": "nginx:1.27"}}],
	}
	pinned_by_digest.mutate == set() with input as pod("UPDATE", same, old)
	new := {"containers": [{"name": "app", "image": "redis"}]}
	pinned_by_digest.mutate == becomes("redis@sha256:bb") with input as pod("UPDATE", new, old)
}
