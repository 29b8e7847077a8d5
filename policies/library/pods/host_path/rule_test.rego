package portcullis.library.pods.host_path_test

import data.portcullis.library.pods.host_path

pod(volume) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"spec": {"volumes": [volume]}}},
	"parameters": {"allowedPaths": ["/var/log", "/srv/data/"]},
}

test_host_path_is_denied if {
	host_path.deny == {{
		"message": `the volume "root" mounts the path "/" of the node; use another kind of volume`,
		"field": "spec.volumes[0].hostPath",
	}} with input as pod({"name": "root", "hostPath": {"path": "/"}})
}

test_lookalikes_are_denied if {
	every path in ["/var", "/var/logs", "/var/log/../lib", "/var/log/..", "var/log", ""] {
		count(host_path.deny) == 1 with input as pod({"name": "v", "hostPath": {"path": path}})
	}
}

test_malformed_volumes_are_denied if {
	every source in [{}, {"path": 7}, "/var/log"] {
		count(host_path.deny) == 1 with input as pod({"hostPath": source})
	}
}

test_allowed_paths_are_allowed if {
	every path in ["/var/log", "/var/log/", "/var/log/pods", "/srv/data/a"] {
		host_path.deny == set() with input as pod({"name": "v", "hostPath": {"path": path}})
	}
}

test_other_volumes_are_allowed if {
	host_path.deny == set() with input as pod({"name": "v", "emptyDir": {}})
	host_path.deny == set() with input as pod({"name": "v", "hostPath": null})
}
