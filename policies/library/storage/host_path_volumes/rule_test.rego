package portcullis.library.storage.host_path_volumes_test

import data.portcullis.library.storage.host_path_volumes

volume(spec, local) := {
	"request": {"operation": "CREATE", "kind": {"kind": "PersistentVolume"}, "object": {"spec": spec}},
	"parameters": {"allowedPaths": ["/mnt/disks/"], "local": local},
}

test_directories_of_the_host_are_denied if {
	host_path_volumes.deny == {{
		"message": `the volume is the path "/" of whatever node it is mounted on; use another type of volume`,
		"field": "spec.hostPath.path",
	}} with input as volume({"hostPath": {"path": "/"}}, false)
}

test_lookalikes_and_ways_out_are_denied if {
	every source in [{"path": "/mnt/disks-of-others"}, {"path": "/mnt/disks/../../etc"}, {"path": "/mnt"}, {"path": null}, {}] {
		count(host_path_volumes.deny) == 1 with input as volume({"hostPath": source}, false)
	}
}

test_local_volumes_are_judged_if_that_is_wanted if {
	host_path_volumes.deny == {{
		"message": `the volume is the path "/etc" of a node; use another path or type of volume`,
		"field": "spec.local.path",
	}} with input as volume({"local": {"path": "/etc"}}, true)
	host_path_volumes.deny == set() with input as volume({"local": {"path": "/etc"}}, false)
	host_path_volumes.deny == set() with input as volume({"local": {"path": "/mnt/disks/ssd1"}}, true)
}

test_allowed_paths_are_allowed if {
	host_path_volumes.deny == set() with input as volume({"hostPath": {"path": "/mnt/disks"}}, true)
	host_path_volumes.deny == set() with input as volume({"hostPath": {"path": "/mnt/disks/a"}}, true)
}

test_other_types_are_allowed if {
	host_path_volumes.deny == set() with input as volume({"csi": {"driver": "disk.example.com"}, "hostPath": null}, true)
}
