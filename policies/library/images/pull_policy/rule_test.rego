package portcullis.library.images.pull_policy_test

import data.portcullis.library.images.pull_policy

digest := "sha256:7cc4b5aefd1d0cadf8d97d4350462ba51c694ebca145b08d7d41b41acc8db5aa"

defaults := {"allowed": ["Always"], "digests": false, "exemptImages": ["registry.example.com/base/*"]}

pod(container) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"spec": {"initContainers": [container]}}},
	"parameters": defaults,
}

with_volume(source) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"spec": {"volumes": [
		{"name": "tmp", "emptyDir": {}},
		{"name": "model", "image": source},
	]}}},
	"parameters": defaults,
}

test_other_policies_are_denied if {
	pull_policy.deny == {{
		"message": `init container "setup" has the image pull policy Never; set imagePullPolicy to Always`,
		"field": "spec.initContainers[0].imagePullPolicy",
	}} with input as pod({"name": "setup", "image": "app:1", "imagePullPolicy": "Never"})
}

test_all_that_are_allowed_are_named if {
	pull_policy.deny == {{
		"message": `init container "setup" has the image pull policy Never; set imagePullPolicy to Always or IfNotPresent`,
		"field": "spec.initContainers[0].imagePullPolicy",
	}} with input as pod({"name": "setup", "image": "app:1", "imagePullPolicy": "Never"})
		with input.parameters.allowed as ["Always", "IfNotPresent"]
}

test_none_is_what_kubernetes_makes_of_it if {
	every container in [{"image": "app:1"}, {"image": "app:1", "imagePullPolicy": null}, {"image": "App"}, {"image": 7}] {
		count(pull_policy.deny) == 1 with input as pod(container)
	}
	every container in [{"image": "app"}, {"image": "app:latest"}, {"image": "app:latest", "imagePullPolicy": ""}] {
		pull_policy.deny == set() with input as pod(container)
	}
}

test_always_is_allowed if {
	pull_policy.deny == set() with input as pod({"image": "app:1", "imagePullPolicy": "Always"})
}

test_digests_are_allowed_unless_they_are_to_be_judged if {
	container := {"image": sprintf("app@%s", [digest]), "imagePullPolicy": "IfNotPresent"}
	pull_policy.deny == set() with input as pod(container)
	count(pull_policy.deny) == 1 with input as pod(container) with input.parameters.digests as true
}

test_exempt_images_are_allowed if {
	pull_policy.deny == set() with input as pod({"image": "registry.example.com/base/app:1", "imagePullPolicy": "Never"})
}

test_image_volumes_are_judged_alike if {
	pull_policy.deny == {{
		"message": `the volume "model" has the image pull policy IfNotPresent; set image.pullPolicy to Always`,
		"field": "spec.volumes[1].image.pullPolicy",
	}} with input as with_volume({"reference": "model:3"})
	every source in [{"reference": "model:3", "pullPolicy": "Always"}, {"reference": "registry.example.com/base/model:3"}] {
		pull_policy.deny == set() with input as with_volume(source)
	}
}
