package portcullis.library.pods.proc_mount_restricted_test

import data.portcullis.library.pods.proc_mount_restricted

pod(spec, version) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"spec": spec}},
	"parameters": {"version": version},
}

app(fields) := {"containers": [object.union({"name": "app"}, fields)]}

test_unmasked_is_denied if {
	proc_mount_restricted.deny == {{
		"message": `container "app" has the procMount Unmasked; set securityContext.procMount to Default`,
		"field": "spec.containers[0].securityContext.procMount",
	}} with input as pod(app({"securityContext": {"procMount": "Unmasked"}}), "latest")
}

test_the_default_is_allowed if {
	every context in [null, {}, {"procMount": null}, {"procMount": "Default"}] {
		proc_mount_restricted.deny == set() with input as pod(app({"securityContext": context}), "latest")
	}
}

test_a_user_namespace_changes_nothing if {
	containers := object.union(app({"securityContext": {"procMount": "Unmasked"}}), {"hostUsers": false})
	count(proc_mount_restricted.deny) == 1 with input as pod(containers, "latest")
}
