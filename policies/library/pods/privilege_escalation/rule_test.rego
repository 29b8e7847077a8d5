package portcullis.library.pods.privilege_escalation_test

import data.portcullis.library.pods.privilege_escalation

pod(spec, version) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"spec": spec}},
	"parameters": {"version": version},
}

app(fields) := {"containers": [object.union({"name": "app"}, fields)]}

test_what_does_not_forbid_it_is_denied if {
	every context in [null, {}, {"allowPrivilegeEscalation": null}, {"allowPrivilegeEscalation": true}] {
		privilege_escalation.deny == {{
			"message": `container "app" may gain privileges; set securityContext.allowPrivilegeEscalation to false`,
			"field": "spec.containers[0].securityContext.allowPrivilegeEscalation",
		}} with input as pod(app({"securityContext": context}), "v1.8")
	}
}

test_what_forbids_it_is_allowed if {
	privilege_escalation.deny == set() with input as pod(app({"securityContext": {"allowPrivilegeEscalation": false}}), "latest")
}

test_before_it_was_in_the_standard if {
	privilege_escalation.deny == set() with input as pod(app({}), "v1.7")
}

test_windows_cannot_say_it if {
	windows := object.union(app({}), {"os": {"name": "windows"}})
	privilege_escalation.deny == set() with input as pod(windows, "v1.25")
	count(privilege_escalation.deny) == 1 with input as pod(windows, "v1.24")
}
