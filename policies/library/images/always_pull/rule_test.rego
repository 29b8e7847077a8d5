package portcullis.library.images.always_pull_test

import data.portcullis.library.images.always_pull

pod(operation, spec, old) := {
	"request": {"operation": operation, "kind": {"kind": "Pod"}, "object": {"spec": spec}, "oldObject": old},
	"parameters": {"pullPolicy": "Always", "exemptImages": ["cached/*"]},
}

always(field, name) := {"set": ["spec", field, {"name": name}, "imagePullPolicy"], "value": "Always"}

test_every_tag_of_a_new_pod if {
	always_pull.mutate == {
		always("initContainers", "setup"),
		always("containers", "app"),
		{"set": ["spec", "volumes", {"name": "model"}, "image", "pullPolicy"], "value": "Always"},
	} with input as pod(
		"CREATE", {
			"initContainers": [{"name": "setup", "image": "setup"}],
			"containers": [{"name": "app", "image": "app:1", "imagePullPolicy": "IfNotPresent"}],
			"volumes": [{"name": "model", "image": {"reference": "model:1"}}, {"name": "tmp", "emptyDir": {}}],
		},
		null,
	)
}

test_digests_and_exempt_images_keep_theirs if {
	every image in ["app@sha256:0123", "app:1@sha256:0123", "cached/app:1", "", null] {
		always_pull.mutate == set() with input as pod("CREATE", {"containers": [{"name": "app", "image": image}]}, null)
	}
}

test_another_policy if {
	always_pull.mutate == {{"set": ["spec", "containers", {"name": "a"}, "imagePullPolicy"], "value": "Never"}}
		with input as pod("CREATE", {"containers": [{"name": "a", "image": "a"}]}, null)
		with input.parameters.pullPolicy as "Never"
}

test_of_a_pod_that_exists_only_new_ephemeral_containers if {
	spec := {
		"containers": [{"name": "app", "image": "app:2"}],
		"ephemeralContainers": [{"name": "old", "image": "tools"}, {"name": "new", "image": "tools"}],
		"volumes": [{"name": "model", "image": {"reference": "model:1"}}],
	}
	always_pull.mutate == {always("ephemeralContainers", "new")}
		with input as pod("UPDATE", spec, {"spec": {"ephemeralContainers": [{"name": "old", "image": "tools"}]}})
	always_pull.mutate == {always("ephemeralContainers", "old"), always("ephemeralContainers", "new")}
		with input as pod("UPDATE", spec, {"spec": {}})
}
