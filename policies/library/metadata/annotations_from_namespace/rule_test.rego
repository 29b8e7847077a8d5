package portcullis.library.metadata.annotations_from_namespace_test

import data.portcullis.library.metadata.annotations_from_namespace

pod := {
	"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"metadata": {"name": "app"}}},
	"namespace": {"metadata": {"annotations": {"example.com/contact": "shop", "example.com/cost": "1", "other": "x"}}},
	"parameters": {"annotations": ["example.com/contact", "example.com/cost", "unknown"]},
}

test_listed_annotations_are_defaults if {
	annotations_from_namespace.mutate == {
		{"default": ["metadata", "annotations", "example.com/contact"], "value": "shop"},
		{"default": ["metadata", "annotations", "example.com/cost"], "value": "1"},
	} with input as pod
}

test_nothing_without_a_known_namespace if {
	annotations_from_namespace.mutate == set() with input as object.remove(pod, ["namespace"])
}
