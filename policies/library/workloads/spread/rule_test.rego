package portcullis.library.workloads.spread_test

import data.portcullis.library.workloads.spread

deployment(replicas, spec) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Deployment"}, "object": {"spec": {
		"replicas": replicas,
		"template": {"metadata": {"labels": {"app": "web"}}, "spec": spec},
	}}},
	"parameters": {"replicas": 2, "topologyKeys": ["kubernetes.io/hostname", "zone"]},
}

selector := {"matchLabels": {"app": "web"}}

test_replicas_that_are_not_spread_are_denied if {
	spread.deny == {{
		"message": concat("", [
			"nothing of its own keeps the 3 replicas from running on one node; ",
			"add a topologySpreadConstraint by kubernetes.io/hostname or zone that selects them",
		]),
		"field": "spec.template.spec.topologySpreadConstraints",
	}} with input as deployment(3, {})
}

test_other_topologies_do_not_count if {
	every spec in [
		{"topologySpreadConstraints": []},
		{"topologySpreadConstraints": [{"topologyKey": "disk", "labelSelector": selector}]},
		{"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "disk", "labelSelector": selector}]}}},
		{"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone"}]}}},
		{"affinity": {"podAntiAffinity": null}},
		{"topologySpreadConstraints": [{"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "db"}}}]},
		{"topologySpreadConstraints": [{"topologyKey": "zone", "maxSkew": 100, "labelSelector": selector}]},
		{"topologySpreadConstraints": [{"topologyKey": "zone", "maxSkew": 2, "labelSelector": selector}]},
		{"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{
			"topologyKey": "zone",
			"labelSelector": {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]},
		}]}}},
		{"topologySpreadConstraints": [{"topologyKey": "zone"}, {"topologyKey": "zone", "labelSelector": null}]},
	] {
		count(spread.deny) == 1 with input as deployment(2, spec)
	}
}

test_each_way_to_spread_them_is_allowed if {
	every spec in [
		{"topologySpreadConstraints": [{"topologyKey": "disk"}, {"topologyKey": "zone", "labelSelector": selector}]},
		{"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone", "labelSelector": selector}]}}},
		{"affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{
			"weight": 1,
			"podAffinityTerm": {"topologyKey": "kubernetes.io/hostname", "labelSelector": selector},
		}]}}},
	] {
		spread.deny == set() with input as deployment(2, spec)
	}
}

test_few_replicas_are_allowed if {
	every replicas in [null, 0, 1] {
		spread.deny == set() with input as deployment(replicas, {})
	}
}

test_a_skew_below_the_replicas_is_allowed if {
	every max_skew, replicas in {1: 1, 2: 3} {
		spec := {"topologySpreadConstraints": [{"topologyKey": "zone", "maxSkew": max_skew, "labelSelector": selector}]}
		spread.deny == set() with input as object.union(deployment(replicas, spec), {"parameters": {"replicas": 1}})
	}
}
