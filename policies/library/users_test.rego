package portcullis.users_test

import data.portcullis.users

review(name, groups) := {"request": {"operation": "CREATE", "userInfo": {"username": name, "groups": groups}}}

access(name, groups) := {"spec": {"user": name, "groups": groups}}

test_service_account if {
	name := "system:serviceaccount:ci:deployer"
	users.service_account == {"namespace": "ci", "name": "deployer"} with input as review(name, [])
	users.service_account == {"namespace": "ci", "name": "deployer"} with input as access(name, [])
	every other in ["jane", "system:serviceaccount:ci", "system:node:a", "system:serviceaccount:a:b:c", ""] {
		not users.service_account with input as review(other, [])
	}
	not users.service_account with input as {}
}

test_node if {
	users.node == "worker-1" with input as review("system:node:worker-1", ["system:nodes"])
	not users.node with input as review("system:node:worker-1", [])
	not users.node with input as review("jane", ["system:nodes"])
}

test_of_group if {
	users.of_group(["ops", "dev"]) with input as review("jane", ["dev"])
	not users.of_group(["ops"]) with input as review("jane", ["dev"])
	not users.of_group(["ops"]) with input as review("jane", null)
	not users.of_group(["ops"]) with input as {}
}

test_named if {
	users.named(["x", "system:serviceaccount:ci:*"]) with input as review("system:serviceaccount:ci:deployer", [])
	not users.named(["system:serviceaccount:ci:*"]) with input as review("jane", [])
	not users.named(["*"]) with input as {}
}

test_anonymous if {
	users.anonymous with input as access("system:anonymous", [])
	users.anonymous with input as access("x", ["system:unauthenticated"])
	not users.anonymous with input as access("jane", ["system:authenticated"])
}

test_of_system if {
	every name in ["system:kube-scheduler", "system:node:a", "system:serviceaccount:kube-system:job-controller"] {
		users.of_system with input as review(name, [])
	}
	every name in ["jane", "", "system:anonymous", "system:serviceaccount:ci:deployer"] {
		not users.of_system with input as review(name, [])
	}
}
