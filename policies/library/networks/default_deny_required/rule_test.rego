package portcullis.library.networks.default_deny_required_test

import data.portcullis.library.networks.default_deny_required

pod(directions) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "namespace": "shop", "object": {"spec": {}}},
	"parameters": {"directions": directions},
}

cluster(specs) := {"networkpolicies.networking.k8s.io": {
	"shop": {name: {"spec": spec} | some i, spec in specs; name := sprintf("policy-%d", [i])},
	"blog": {"all": {"spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}}},
}}

test_a_namespace_without_is_denied if {
	default_deny_required.deny == {concat("", [
		`the namespace "shop" has no NetworkPolicy that denies Ingress by default; `,
		"create one with an empty podSelector and no ingress rules",
	])} with input as pod(["Ingress"]) with data.kubernetes as cluster([])
}

test_each_direction_is_judged_by_itself if {
	ingress := cluster([{"podSelector": {}, "policyTypes": ["Ingress"]}])
	default_deny_required.deny == {concat("", [
		`the namespace "shop" has no NetworkPolicy that denies Egress by default; `,
		"create one with an empty podSelector and no egress rules",
	])} with input as pod(["Ingress", "Egress"]) with data.kubernetes as ingress
	egress := cluster([{"podSelector": {}, "policyTypes": ["Egress"], "egress": []}])
	count(default_deny_required.deny) == 1 with input as pod(["Ingress"]) with data.kubernetes as egress
	default_deny_required.deny == set() with input as pod(["Egress"]) with data.kubernetes as egress
}

test_two_may_deny_together if {
	both := cluster([{"podSelector": {}, "policyTypes": ["Ingress"]}, {"policyTypes": ["Egress"]}])
	default_deny_required.deny == set() with input as pod(["Ingress", "Egress"]) with data.kubernetes as both
}

test_without_policy_types_it_is_about_ingress if {
	default_deny_required.deny == set() with input as pod(["Ingress"]) with data.kubernetes as cluster([{"podSelector": {}}])
	count(default_deny_required.deny) == 1 with input as pod(["Egress"]) with data.kubernetes as cluster([{"podSelector": {}}])
}

test_one_that_allows_or_selects_is_no_default if {
	every spec in [
		{"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress", "Egress"]},
		{"podSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}, "policyTypes": ["Ingress", "Egress"]},
		{"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}]},
	] {
		count(default_deny_required.deny) == 2 with input as pod(["Ingress", "Egress"]) with data.kubernetes as cluster([spec])
	}
}
