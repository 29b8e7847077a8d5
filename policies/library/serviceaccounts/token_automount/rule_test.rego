package portcullis.library.serviceaccounts.token_automount_test

import data.portcullis.library.serviceaccounts.token_automount

pod(spec, parameters) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "namespace": "shop", "object": {"spec": spec}},
	"parameters": object.union({"allowAsked": true, "serviceAccounts": []}, parameters),
}

test_a_token_nobody_asked_for_is_denied if {
	every spec in [{}, {"automountServiceAccountToken": null}, {"serviceAccountName": "default"}] {
		token_automount.deny == {{
			"message": concat("", [
				`Pod does not say automountServiceAccountToken and leaves it to the service account "default"; `,
				"set automountServiceAccountToken to false, or to true if it calls the Kubernetes API",
			]),
			"field": "spec.automountServiceAccountToken",
		}} with input as pod(spec, {})
	}
}

test_a_token_that_is_asked_for_is_allowed if {
	token_automount.deny == set() with input as pod({"automountServiceAccountToken": true}, {})
}

test_unless_that_is_not_enough if {
	token_automount.deny == {{
		"message": `Pod has the token of the service account "web"; set automountServiceAccountToken to false`,
		"field": "spec.automountServiceAccountToken",
	}} with input as pod({"automountServiceAccountToken": true, "serviceAccount": "web"}, {"allowAsked": false})
}

test_no_token_is_allowed if {
	token_automount.deny == set() with input as pod({"automountServiceAccountToken": false}, {"allowAsked": false})
}

test_exempt_accounts_are_allowed if {
	exempt := {"serviceAccounts": ["shop/operator-*"]}
	token_automount.deny == set() with input as pod({"serviceAccountName": "operator-a"}, exempt)
	count(token_automount.deny) == 1 with input as pod({"serviceAccountName": "web"}, exempt)
	elsewhere := object.union(pod({"serviceAccountName": "operator-a"}, exempt), {"request": {"namespace": "blog"}})
	count(token_automount.deny) == 1 with input as elsewhere
}

test_mirrors_of_static_pods_are_allowed if {
	mirror := {"request": {"object": {"metadata": {"annotations": {"kubernetes.io/config.mirror": "abc"}}}}}
	token_automount.deny == set() with input as object.union(pod({}, {}), mirror)
	template := {"request": {"kind": {"kind": "Deployment"}, "object": {"spec": {"template": {"spec": {}}}}}}
	count(token_automount.deny) == 1 with input as object.union(object.union(pod({}, {}), mirror), template)
}

test_what_has_no_pod_is_allowed if {
	token_automount.deny == set() with input as object.union(pod({}, {}), {"request": {"object": {"spec": null}}})
}

created(spec) := object.union(pod(spec, {}), {"request": {"object": {"metadata": {"uid": "7d1d"}}}})

token(name) := {"volumes": [{"name": "tmp"}, {"name": name, "projected": {"sources": [{"configMap": {}}, {"serviceAccountToken": {"path": "token"}}]}}]}

test_what_the_service_account_says_can_be_seen_of_a_pod if {
	token_automount.deny == set() with input as created({"serviceAccountName": "web"})
	token_automount.deny == set() with input as created(token("my-token"))
	token_automount.deny == {{
		"message": concat("", [
			`Pod has the token of the service account "default"; `,
			"set automountServiceAccountToken to false, or to true if it calls the Kubernetes API",
		]),
		"field": "spec.automountServiceAccountToken",
	}} with input as created(token("kube-api-access-x7d2k"))
}

test_it_cannot_be_seen_of_a_template if {
	template := {"request": {"kind": {"kind": "Deployment"}, "object": {"metadata": {"uid": "7d1d"}, "spec": {"template": {"spec": {}}}}}}
	token_automount.deny == {{
		"message": concat("", [
			`Deployment does not say automountServiceAccountToken and leaves it to the service account "default"; `,
			"set automountServiceAccountToken to false, or to true if it calls the Kubernetes API",
		]),
		"field": "spec.template.spec.automountServiceAccountToken",
	}} with input as object.union(pod({}, {}), template)
}
