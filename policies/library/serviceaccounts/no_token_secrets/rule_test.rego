package portcullis.library.serviceaccounts.no_token_secrets_test

import data.portcullis.library.serviceaccounts.no_token_secrets

secret(kind, annotations) := {
	"request": {
		"operation": "CREATE", "kind": {"kind": "Secret"}, "namespace": "ci",
		"object": {"metadata": {"annotations": annotations}, "type": kind},
	},
	"parameters": {"serviceAccounts": ["ci/legacy-*"]},
}

token := "kubernetes.io/service-account-token"

test_a_token_that_never_expires_is_denied if {
	no_token_secrets.deny == {{
		"message": concat("", [
			`the Secret would hold a token of the service account "web" that never expires; `,
			"use kubectl create token, or mount one",
		]),
		"field": "type",
	}} with input as secret(token, {"kubernetes.io/service-account.name": "web"})
}

test_whosoever_it_is if {
	count(no_token_secrets.deny) == 1 with input as secret(token, null)
}

test_exempt_accounts_are_allowed if {
	no_token_secrets.deny == set() with input as secret(token, {"kubernetes.io/service-account.name": "legacy-a"})
}

test_other_secrets_are_allowed if {
	every kind in ["Opaque", "kubernetes.io/tls", "", null] {
		no_token_secrets.deny == set() with input as secret(kind, null)
	}
}
