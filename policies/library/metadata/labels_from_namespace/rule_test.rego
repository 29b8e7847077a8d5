package portcullis.library.metadata.labels_from_namespace_test

import data.portcullis.library.metadata.labels_from_namespace

pod := {
	"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"metadata": {"name": "app"}}},
	"namespace": {"metadata": {"labels": {"team": "shop", "cost-center": "1234", "other": "x"}}},
	"parameters": {"labels": ["team", "cost-center", "unknown"]},
}

test_listed_labels_are_defaults if {
	labels_from_namespace.mutate == {
		{"default": ["metadata", "labels", "team"], "value": "shop"},
		{"default": ["metadata", "labels", "cost-center"], "value": "1234"},
	} with input as pod
}

test_nothing_without_a_known_namespace if {
	labels_from_namespace.mutate == set() with input as object.remove(pod, ["namespace"])
}
