package portcullis.library.pods.no_exec_labelled_test

import data.portcullis.library.pods.no_exec_labelled

enter(operation, subresource, name) := {
	"request": {
		"operation": operation,
		"kind": {"kind": "PodExecOptions"},
		"resource": {"group": "", "version": "v1", "resource": "pods"},
		"subResource": subresource,
		"namespace": "shop",
		"name": name,
		"userInfo": {"username": "anna", "groups": ["dev"]},
		"object": {"metadata": {"labels": {}}},
		"oldObject": null,
	},
	"parameters": {"labels": {"no-exec": "true", "cards": "*"}, "exemptGroups": ["on-call"]},
}

known := {"pods": {"shop": {
	"closed": {"metadata": {"labels": {"no-exec": "true"}}},
	"cards": {"metadata": {"labels": {"cards": "visa"}}},
	"open": {"metadata": {"labels": {"no-exec": "false", "app": "web"}}},
	"bare": {"metadata": {}},
}}}

refused(name, label) := {sprintf("nobody enters the Pod %q: it has the label %s; use logs and metrics instead", [name, label])}

test_labelled_pods_are_closed if {
	every subresource in ["exec", "attach"] {
		no_exec_labelled.deny == refused("closed", "no-exec=true") with input as enter("CONNECT", subresource, "closed")
			with data.kubernetes as known
	}
	no_exec_labelled.deny == refused("cards", "cards=visa") with input as enter("CONNECT", "exec", "cards")
		with data.kubernetes as known
}

test_others_are_open if {
	every name in ["open", "bare"] {
		no_exec_labelled.deny == set() with input as enter("CONNECT", "exec", name) with data.kubernetes as known
	}
	no_exec_labelled.deny == set() with input as enter("CONNECT", "portforward", "closed") with data.kubernetes as known
}

test_a_pod_that_is_not_known_is_closed if {
	no_exec_labelled.deny == {`the labels of the Pod "new" are not known yet, and nobody enters it before; try again in a moment`}
		with input as enter("CONNECT", "exec", "new")
		with data.kubernetes as known
	no_exec_labelled.deny == set() with input as enter("CONNECT", "exec", "new")
		with input.request.userInfo.groups as ["on-call"]
		with data.kubernetes as known
}

test_ephemeral_containers_enter_as_well if {
	old := {"metadata": {"labels": {"no-exec": "true"}}}
	no_exec_labelled.deny == refused("closed", "no-exec=true") with input as enter("UPDATE", "ephemeralcontainers", "closed")
		with input.request.oldObject as old
		with data.kubernetes as {"pods": {}}
	no_exec_labelled.deny == set() with input as enter("UPDATE", "ephemeralcontainers", "closed")
		with input.request.oldObject as {"metadata": {}}
		with data.kubernetes as {"pods": {}}
}

test_exempt_group if {
	no_exec_labelled.deny == set() with input as enter("CONNECT", "exec", "closed")
		with input.request.userInfo.groups as ["dev", "on-call"]
		with data.kubernetes as known
}
