package portcullis.library.images.allowed_tags_test

import data.portcullis.library.images.allowed_tags

digest := "sha256:7cc4b5aefd1d0cadf8d97d4350462ba51c694ebca145b08d7d41b41acc8db5aa"

pod(name, patterns) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"spec": {"containers": [{"image": name}]}}},
	"parameters": {"denied": ["latest", "dev*"], "patterns": patterns, "exemptImages": ["registry.example.com/tools/*"]},
}

test_denied_tags_are_denied if {
	allowed_tags.deny == {{
		"message": `the tag dev-7 of the image "registry.example.com/app:dev-7" is not allowed; name that of a version, or a digest`,
		"field": "spec.containers[0].image",
	}} with input as pod("registry.example.com/app:dev-7", [])
}

test_no_tag_is_latest if {
	allowed_tags.deny == {{
		"message": `the tag latest of the image "registry.example.com:5000/app" is not allowed; name that of a version, or a digest`,
		"field": "spec.containers[0].image",
	}} with input as pod("registry.example.com:5000/app", [])
}

test_the_whole_tag_must_match_a_pattern if {
	every tag in ["1.2-rc", "x1.2", "1", "dev1.2"] {
		count(allowed_tags.deny) == 1 with input as pod(sprintf("app:%s", [tag]), [`[0-9]+\.[0-9]+`, `v[0-9]+`])
	}
}

test_a_denied_tag_is_denied_although_a_pattern_matches if {
	count(allowed_tags.deny) == 1 with input as pod("app:dev", [".*"])
}

test_other_tags_are_allowed if {
	allowed_tags.deny == set() with input as pod("app:1.2", [])
	every tag in ["1.2", "v7"] {
		allowed_tags.deny == set() with input as pod(sprintf("app:%s", [tag]), [`[0-9]+\.[0-9]+`, `v[0-9]+`])
	}
}

test_digests_are_allowed if {
	every name in [sprintf("app@%s", [digest]), sprintf("app:latest@%s", [digest])] {
		allowed_tags.deny == set() with input as pod(name, [`[0-9]+`])
	}
}

test_exempt_images_are_allowed if {
	allowed_tags.deny == set() with input as pod("registry.example.com/tools/debug:latest", [])
}

test_invalid_references_are_denied if {
	allowed_tags.deny == {{
		"message": `"App:1" is not a valid image reference; write it as REGISTRY/REPOSITORY:TAG`,
		"field": "spec.containers[0].image",
	}} with input as pod("App:1", [])
	count(allowed_tags.deny) == 1 with input as pod(7, [])
}
