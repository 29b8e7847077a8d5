package portcullis.library.pods.default_topology_spread_test

import data.portcullis.library.pods.default_topology_spread

pod(metadata, spec) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"metadata": metadata, "spec": spec}},
	"parameters": {
		"labels": ["app.kubernetes.io/name", "app"],
		"constraints": [{"topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "maxSkew": 1}],
	},
}

spread(more) := {{"default": ["spec", "topologySpreadConstraints"], "value": [object.union(
	{"topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "maxSkew": 1},
	more,
)]}}

test_pods_are_spread_by_their_labels if {
	default_topology_spread.mutate == spread({"labelSelector": {"matchLabels": {"app": "orders"}}})
		with input as pod({"labels": {"app": "orders", "other": "x"}}, {"containers": []})
}

test_revisions_of_a_deployment_are_counted_apart if {
	labels := {"app": "orders", "pod-template-hash": "5d8f"}
	apart := {"labelSelector": {"matchLabels": {"app": "orders"}}, "matchLabelKeys": ["pod-template-hash"]}
	default_topology_spread.mutate == spread(apart) with input as pod({"labels": labels}, {"containers": []})
	default_topology_spread.mutate == spread({"labelSelector": {"matchLabels": labels}})
		with input as pod({"labels": labels}, {"containers": []})
		with input.parameters.labels as ["app", "pod-template-hash"]
}

test_pods_without_such_a_label_stay if {
	every metadata in [{}, {"labels": null}, {"labels": {"other": "x"}}, {"labels": {"app": null}}] {
		default_topology_spread.mutate == set() with input as pod(metadata, {"containers": []})
	}
}

test_pods_with_a_node_stay if {
	default_topology_spread.mutate == set() with input as pod({"labels": {"app": "orders"}}, {"nodeName": "a"})
}

test_pods_of_daemon_sets_and_jobs_stay if {
	every kind in ["DaemonSet", "Job"] {
		metadata := {"labels": {"app": "orders"}, "ownerReferences": [{"kind": kind, "controller": true}]}
		default_topology_spread.mutate == set() with input as pod(metadata, {"containers": []})
	}
	every owner in [{"kind": "ReplicaSet", "controller": true}, {"kind": "Job"}] {
		metadata := {"labels": {"app": "orders"}, "ownerReferences": [owner]}
		count(default_topology_spread.mutate) == 1 with input as pod(metadata, {"containers": []})
	}
}
