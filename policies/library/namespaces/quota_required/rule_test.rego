package portcullis.library.namespaces.quota_required_test

import data.portcullis.library.namespaces.quota_required

cluster := {
	"resourcequotas": {
		"shop": {"all": {"spec": {"hard": {"pods": "10"}}}},
		"blog": {"empty": {"spec": {"hard": {}}}, "nothing": {"spec": {}}},
	},
	"limitranges": {"shop": {"all": {"spec": {"limits": [{"type": "Container"}]}}}, "blog": {"empty": {"spec": {"limits": []}}}},
}

pod(namespace, required) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "namespace": namespace, "object": {"spec": {}}},
	"parameters": {"required": required},
}

test_a_namespace_without_is_denied if {
	quota_required.deny == {
		`the namespace "new" has no ResourceQuota; create one before there are Pods in it`,
		`the namespace "new" has no LimitRange; create one before there are Pods in it`,
	} with input as pod("new", ["ResourceQuota", "LimitRange"]) with data.kubernetes as cluster
}

test_one_without_limits_is_none if {
	count(quota_required.deny) == 2 with input as pod("blog", ["ResourceQuota", "LimitRange"]) with data.kubernetes as cluster
}

test_a_namespace_that_has_them_is_allowed if {
	quota_required.deny == set() with input as pod("shop", ["ResourceQuota", "LimitRange"]) with data.kubernetes as cluster
}

test_only_what_is_required_is_asked_for if {
	without := object.remove(cluster, ["limitranges"])
	quota_required.deny == set() with input as pod("shop", ["ResourceQuota"]) with data.kubernetes as without
}
