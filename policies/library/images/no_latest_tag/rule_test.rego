package portcullis.library.images.no_latest_tag_test

import data.portcullis.library.images.no_latest_tag

pod(name) := {"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"spec": {"containers": [{"image": name}]}}}}

test_no_tag_is_denied if {
	no_latest_tag.deny == {{
		"message": `the image "nginx" means whatever is latest when it is pulled; name a version or a digest`,
		"field": "spec.containers[0].image",
	}} with input as pod("nginx")
}

test_latest_is_denied_whatever_the_port if {
	every name in ["nginx:latest", "localhost:5000/app", "registry.example.com:443/a/b:latest"] {
		count(no_latest_tag.deny) == 1 with input as pod(name)
	}
}

test_versions_and_digests_are_allowed if {
	digest := "sha256:7cc4b5aefd1d0cadf8d97d4350462ba51c694ebca145b08d7d41b41acc8db5aa"
	every name in ["nginx:1.27", "nginx:latest-alpine", sprintf("nginx@%s", [digest]), sprintf("nginx:latest@%s", [digest])] {
		no_latest_tag.deny == set() with input as pod(name)
	}
}

test_invalid_reference_is_denied if {
	no_latest_tag.deny == {{
		"message": `"Nginx" is not a valid image reference; write it as REGISTRY/REPOSITORY:TAG`,
		"field": "spec.containers[0].image",
	}} with input as pod("Nginx")
}
