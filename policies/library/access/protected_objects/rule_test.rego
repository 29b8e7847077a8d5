package portcullis.library.access.protected_objects_test

import data.portcullis.library.access.protected_objects

review_of(user, groups, attributes) := {
	"apiVersion": "authorization.k8s.io/v1",
	"kind": "SubjectAccessReview",
	"spec": {"user": user, "groups": groups, "resourceAttributes": attributes},
	"parameters": {
		"objects": [
			{"resource": "namespaces", "names": ["prod-*"]},
			{"resource": "statefulsets.apps", "namespaces": ["pay*"], "names": ["ledger"]},
			{"resource": "deployments.apps/scale", "namespaces": ["pay*"], "names": ["web"]},
		],
		"verbs": ["update", "delete", "deletecollection"],
		"exceptUsers": ["system:serviceaccount:kube-system:*"],
		"exceptGroups": ["operations"],
	},
}

review(attributes) := review_of("anna", ["dev"], attributes)

ledger(verb) := {sprintf("statefulsets.apps \"ledger\" is protected: anna may not %s it; ask somebody who may", [verb])}

test_protected_objects if {
	every verb in ["update", "delete", "*"] {
		attributes := {"verb": verb, "group": "apps", "resource": "statefulsets", "namespace": "payments", "name": "ledger"}
		protected_objects.deny == ledger(verb) with input as review(attributes)
	}
	protected_objects.deny == {`namespaces "prod-*" is protected: anna may not delete it; ask somebody who may`}
		with input as review({"verb": "delete", "resource": "namespaces", "namespace": "prod-shop", "name": "prod-shop"})
	protected_objects.deny == {`deployments.apps/scale "web" is protected: anna may not update it; ask somebody who may`} with input as review({
		"verb": "update", "group": "apps", "resource": "deployments",
		"subresource": "scale", "namespace": "payments", "name": "web",
	})
}

test_questions_about_all if {
	every attributes in [
		{"verb": "deletecollection", "group": "apps", "resource": "statefulsets", "namespace": "payments"},
		{"verb": "deletecollection", "group": "apps", "resource": "statefulsets"},
		{"verb": "deletecollection", "group": "apps", "resource": "statefulsets", "namespace": "*", "name": "*"},
	] {
		protected_objects.deny == ledger("deletecollection") with input as review(attributes)
	}
	count(protected_objects.deny) == 3 with input as review({"verb": "*", "group": "*", "resource": "*", "subresource": "*"})
}

test_others_are_not_this_policys_affair if {
	every attributes in [
		{"verb": "get", "group": "apps", "resource": "statefulsets", "namespace": "payments", "name": "ledger"},
		{"verb": "delete", "group": "apps", "resource": "statefulsets", "namespace": "payments", "name": "web"},
		{"verb": "delete", "group": "apps", "resource": "statefulsets", "namespace": "shop", "name": "ledger"},
		{"verb": "delete", "group": "example.com", "resource": "statefulsets", "namespace": "payments", "name": "ledger"},
		{"verb": "update", "group": "apps", "resource": "statefulsets", "subresource": "scale", "namespace": "payments", "name": "ledger"},
		{"verb": "delete", "resource": "namespaces", "namespace": "dev", "name": "dev"},
	] {
		protected_objects.deny == set() with input as review(attributes)
	}
	protected_objects.deny == set() with input as {"spec": {"user": "anna", "nonResourceAttributes": {"path": "/api", "verb": "delete"}}}
}

test_excepted_users_and_groups if {
	attributes := {"verb": "delete", "group": "apps", "resource": "statefulsets", "namespace": "payments", "name": "ledger"}
	protected_objects.deny == set() with input as review_of("system:serviceaccount:kube-system:namespace-controller", [], attributes)
	protected_objects.deny == set() with input as review_of("anna", ["operations"], attributes)
}
