package portcullis.library.pods.volume_types_test

import data.portcullis.library.pods.volume_types

pod(spec, version) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"spec": spec}},
	"parameters": {"version": version},
}

test_another_type_is_denied if {
	volume_types.deny == {{
		"message": `the volume "data" is of the type nfs; use a persistentVolumeClaim or another allowed type`,
		"field": "spec.volumes[1]",
	}} with input as pod({"volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "data", "nfs": {}}]}, "latest")
}

test_what_has_no_type_is_denied if {
	every volume in [null, {}, {"emptyDir": null}] {
		volume_types.deny == {{
			"message": `the volume "" is of the type unknown; use a persistentVolumeClaim or another allowed type`,
			"field": "spec.volumes[0]",
		}} with input as pod({"volumes": [volume]}, "latest")
	}
}

test_harmless_types_are_allowed if {
	every type in ["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret"] {
		volume_types.deny == set() with input as pod({"volumes": [{"name": "data", type: {}}]}, "latest")
	}
	volume_types.deny == set() with input as pod({"volumes": null}, "latest")
}
