package portcullis.library.workloads.disruption_budget_test

import data.portcullis.library.workloads.disruption_budget

asked(spec) := {
	"request": {
		"operation": "CREATE",
		"kind": {"kind": "Deployment"},
		"namespace": "shop",
		"name": "web",
		"object": {"spec": spec},
	},
	"parameters": {"replicas": 2},
}

labelled(labels) := asked({"replicas": 2, "template": {"metadata": {"labels": labels}}})

budget(namespace, selector) := {"poddisruptionbudgets.policy": {namespace: {"any": {"spec": {"selector": selector, "maxUnavailable": 1}}}}}

test_replicas_without_a_budget_are_denied if {
	disruption_budget.deny == {{
		"message": "no PodDisruptionBudget selects the Pods of the Deployment web; create one with maxUnavailable 1 first",
		"field": "spec.template.metadata.labels",
	}} with input as labelled({"app": "web"}) with data.kubernetes as {"poddisruptionbudgets.policy": {}}
}

test_a_budget_that_selects_the_pods_is_enough if {
	every selector in [
		{},
		{"matchLabels": {"app": "web"}},
		{"matchExpressions": [{"key": "app", "operator": "In", "values": ["api", "web"]}]},
		{"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["api"]}]},
		{"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["back"]}]},
		{"matchExpressions": [{"key": "app", "operator": "Exists"}]},
		{"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]},
		{"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "empty", "operator": "Exists"}]},
	] {
		disruption_budget.deny == set() with input as labelled({"app": "web", "empty": ""}) with data.kubernetes as budget("shop", selector)
	}
}

test_one_that_does_not_is_none if {
	every selector in [
		null,
		{"matchLabels": {"app": "api"}},
		{"matchLabels": {"app": "web", "tier": "front"}},
		{"matchExpressions": [{"key": "app", "operator": "In", "values": ["api"]}]},
		{"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]},
		{"matchExpressions": [{"key": "tier", "operator": "Exists"}]},
		{"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]},
		{"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]},
		{"matchExpressions": [{"key": "app", "operator": "Newer"}]},
	] {
		count(disruption_budget.deny) == 1 with input as labelled({"app": "web"}) with data.kubernetes as budget("shop", selector)
	}
}

test_one_of_another_namespace_is_none if {
	count(disruption_budget.deny) == 1 with input as labelled({"app": "web"}) with data.kubernetes as budget("blog", {})
}

test_one_without_a_selector_is_none if {
	count(disruption_budget.deny) == 1 with input as labelled({"app": "web"})
		with data.kubernetes as {"poddisruptionbudgets.policy": {"shop": {"any": {"spec": {}}}}}
}

test_pods_without_labels_are_selected_by_an_empty_selector_alone if {
	object := asked({"replicas": 3, "template": {"spec": {}}})
	disruption_budget.deny == set() with input as object with data.kubernetes as budget("shop", {})
	count(disruption_budget.deny) == 1 with input as object with data.kubernetes as budget("shop", {"matchLabels": {"app": "web"}})
}

test_a_single_replica_needs_none if {
	every spec in [{"template": {}}, {"replicas": 1, "template": {}}, {"replicas": 0, "template": {}}, {"replicas": null, "template": {}}] {
		disruption_budget.deny == set() with input as asked(spec) with data.kubernetes as {"poddisruptionbudgets.policy": {}}
	}
}
