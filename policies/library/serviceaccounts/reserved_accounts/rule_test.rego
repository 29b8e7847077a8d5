package portcullis.library.serviceaccounts.reserved_accounts_test

import data.portcullis.library.serviceaccounts.reserved_accounts

pod(namespace, spec, user) := {
	"request": {
		"operation": "CREATE", "kind": {"kind": "Pod"}, "namespace": namespace, "userInfo": user,
		"object": {"spec": spec},
	},
	"parameters": {
		"serviceAccounts": ["shop/operator", "ci/*", "blog/default"],
		"users": ["robot"],
		"groups": ["platform"],
	},
}

anna := {"username": "anna", "groups": ["dev"]}

test_a_reserved_account_is_denied if {
	reserved_accounts.deny == {{
		"message": "anna may not let Pods run as the service account shop/operator; use another account, or ask somebody who may",
		"field": "spec.serviceAccountName",
	}} with input as pod("shop", {"serviceAccountName": "operator"}, anna)
}

test_by_whatever_name_and_pattern if {
	count(reserved_accounts.deny) == 1 with input as pod("shop", {"serviceAccount": "operator"}, anna)
	count(reserved_accounts.deny) == 1 with input as pod("ci", {"serviceAccountName": "deployer"}, anna)
	count(reserved_accounts.deny) == 1 with input as pod("blog", {}, anna)
	count(reserved_accounts.deny) == 1 with input as pod("blog", {}, {"username": "anna"})
}

test_other_accounts_are_allowed if {
	reserved_accounts.deny == set() with input as pod("shop", {"serviceAccountName": "web"}, anna)
	reserved_accounts.deny == set() with input as pod("blog", {"serviceAccountName": "operator"}, anna)
}

test_who_is_trusted_may if {
	every user in [{"username": "robot"}, {"username": "jane", "groups": ["platform"]}] {
		reserved_accounts.deny == set() with input as pod("shop", {"serviceAccountName": "operator"}, user)
	}
}
