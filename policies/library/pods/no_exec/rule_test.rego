package portcullis.library.pods.no_exec_test

import data.portcullis.library.pods.no_exec

connect(subresource, namespace, groups) := {
	"request": {
		"operation": "CONNECT",
		"kind": {"kind": "PodExecOptions"},
		"resource": {"group": "", "version": "v1", "resource": "pods"},
		"subResource": subresource,
		"namespace": namespace,
		"userInfo": {"username": "anna", "groups": groups},
		"object": {"kind": "PodExecOptions", "command": ["sh"]},
	},
	"parameters": {"namespaces": ["prod-*", "vault"], "exemptGroups": ["on-call"]},
}

test_exec_is_denied if {
	review := connect("exec", "prod-shop", ["dev"])
	no_exec.deny == {`exec into pods of namespace "prod-shop" is not allowed; use logs and metrics instead`} with input as review
}

test_attach_is_denied if {
	review := connect("attach", "vault", null)
	no_exec.deny == {`attach into pods of namespace "vault" is not allowed; use logs and metrics instead`} with input as review
}

test_other_namespaces_are_allowed if {
	no_exec.deny == set() with input as connect("exec", "dev", ["dev"])
}

test_exempt_group_is_allowed if {
	no_exec.deny == set() with input as connect("exec", "vault", ["dev", "on-call"])
}

test_other_connections_are_allowed if {
	no_exec.deny == set() with input as connect("portforward", "vault", ["dev"])
}
