package portcullis.library.workloads.evictable_test

import data.portcullis.library.workloads.evictable

budget(spec) := {
	"request": {"operation": "CREATE", "kind": {"kind": "PodDisruptionBudget"}, "name": "web", "object": {"spec": spec}},
	"parameters": {"exemptNames": ["quorum-*"]},
}

test_no_pod_unavailable_is_denied if {
	evictable.deny == {{
		"message": "maxUnavailable 0 lets no Pod go, so that nodes cannot be drained; set it to 1 or more",
		"field": "spec.maxUnavailable",
	}} with input as budget({"maxUnavailable": 0})
	every share in ["0%", "00%"] {
		count(evictable.deny) == 1 with input as budget({"maxUnavailable": share})
	}
}

test_all_pods_available_is_denied if {
	evictable.deny == {{
		"message": "minAvailable 100% lets no Pod go, so that nodes cannot be drained; set maxUnavailable to 1 instead",
		"field": "spec.minAvailable",
	}} with input as budget({"minAvailable": "100%"})
	count(evictable.deny) == 1 with input as budget({"minAvailable": "0100%"})
}

test_other_budgets_are_allowed if {
	every spec in [
		{},
		{"maxUnavailable": null},
		{"maxUnavailable": 1},
		{"maxUnavailable": "10%"},
		{"maxUnavailable": "100%"},
		{"minAvailable": 0},
		{"minAvailable": 100},
		{"minAvailable": "0%"},
		{"minAvailable": "90%"},
	] {
		evictable.deny == set() with input as budget(spec)
	}
}

test_exempt_names_are_allowed if {
	evictable.deny == set() with input as budget({"maxUnavailable": 0}) with input.request.name as "quorum-db"
}
