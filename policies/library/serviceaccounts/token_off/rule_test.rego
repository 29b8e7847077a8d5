package portcullis.library.serviceaccounts.token_off_test

import data.portcullis.library.serviceaccounts.token_off

pod(spec) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"spec": spec}},
	"parameters": {"serviceAccounts": ["default"]},
}

off := {"default": ["spec", "automountServiceAccountToken"], "value": false}

token := {"name": "kube-api-access-x7f2p", "projected": {"sources": [
	{"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
	{"configMap": {"name": "kube-root-ca.crt"}},
]}}

test_nothing_asks_for_it if {
	every spec in [{}, {"serviceAccountName": ""}, {"serviceAccountName": "default"}, {"automountServiceAccountToken": null}] {
		token_off.mutate == {off} with input as pod(spec)
	}
}

test_what_the_api_server_has_added_is_taken_out if {
	token_off.mutate == {
		off,
		{"remove": ["spec", "volumes", {"name": "kube-api-access-x7f2p"}]},
		{"remove": ["spec", "initContainers", {"name": "setup"}, "volumeMounts", {"name": "kube-api-access-x7f2p"}]},
		{"remove": ["spec", "containers", {"name": "app"}, "volumeMounts", {"name": "kube-api-access-x7f2p"}]},
	} with input as pod({
		"volumes": [token, {"name": "tmp", "emptyDir": {}}],
		"initContainers": [{"name": "setup", "volumeMounts": [{"name": "kube-api-access-x7f2p", "mountPath": "/x"}]}],
		"containers": [
			{"name": "app", "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, {"name": "kube-api-access-x7f2p", "mountPath": "/x"}]},
			{"name": "proxy"},
		],
	})
}

test_volumes_of_its_own_stay if {
	every volume in [
		object.union(token, {"name": "token"}),
		{"name": "kube-api-access-own", "emptyDir": {}},
		{"name": "kube-api-access-own", "projected": {"sources": [{"configMap": {"name": "a"}}]}},
	] {
		token_off.mutate == {off} with input as pod({"volumes": [volume]})
	}
}

test_who_asks_keeps_it if {
	every spec in [
		{"automountServiceAccountToken": true, "volumes": [token]},
		{"automountServiceAccountToken": false},
		{"serviceAccountName": "operator", "volumes": [token]},
		null,
	] {
		token_off.mutate == set() with input as pod(spec)
	}
}

test_every_account if {
	token_off.mutate == {off} with input as pod({"serviceAccountName": "operator"})
		with input.parameters.serviceAccounts as ["*"]
}
