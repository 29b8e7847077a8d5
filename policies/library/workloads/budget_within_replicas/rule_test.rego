package portcullis.library.workloads.budget_within_replicas_test

import data.portcullis.library.workloads.budget_within_replicas

budget(wanted, name) := {
	"request": {
		"operation": "CREATE", "kind": {"kind": "PodDisruptionBudget"}, "namespace": "shop", "name": name,
		"object": {"spec": {"minAvailable": wanted, "selector": {"matchLabels": {"app": "web"}}}},
	},
	"parameters": {"exemptNames": ["any-*"]},
}

workload(labels, replicas) := {"spec": {"replicas": replicas, "template": {"metadata": {"labels": labels}}}}

web(replicas) := workload({"app": "web", "tier": "a"}, replicas)

cluster(deployments, sets) := {"deployments.apps": {"shop": deployments, "blog": {"web": web(50)}}, "statefulsets.apps": {"shop": sets}}

test_a_budget_for_all_is_denied if {
	every wanted in [2, 5, "51%", "099%"] {
		budget_within_replicas.deny == {{
			"message": sprintf(
				"minAvailable %v of 2 replicas lets no Pod go, so that nodes cannot be drained; set maxUnavailable to 1 instead",
				[wanted],
			),
			"field": "spec.minAvailable",
		}} with input as budget(wanted, "web")
			with data.kubernetes as cluster({"web": web(2), "db": workload({"app": "db"}, 9), "x": workload(null, 9)}, {})
	}
	count(budget_within_replicas.deny) == 1 with input as budget(1, "web") with data.kubernetes as cluster({"web": web(null)}, {})
}

test_a_budget_for_some_is_allowed if {
	every wanted in [0, 1, "50%", "0%", null, "much"] {
		budget_within_replicas.deny == set() with input as budget(wanted, "web") with data.kubernetes as cluster({"web": web(2)}, {})
	}
	budget_within_replicas.deny == set() with input as budget(3, "web") with data.kubernetes as cluster({"a": web(2)}, {"b": web(2)})
}

test_without_replicas_there_is_nothing_to_compare if {
	budget_within_replicas.deny == set() with input as budget(1, "web") with data.kubernetes as cluster({"web": web(0)}, {})
	budget_within_replicas.deny == set() with input as budget(1, "web") with data.kubernetes as {}
}

test_exempt_budgets_are_allowed if {
	budget_within_replicas.deny == set() with input as budget(2, "any-web") with data.kubernetes as cluster({"web": web(2)}, {})
}
