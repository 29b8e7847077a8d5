package portcullis.library.namespaces.deletion_guarded_test

import data.portcullis.library.namespaces.deletion_guarded

cluster := {
	"persistentvolumeclaims": {"shop": {"orders": {}, "logs": {}}},
	"pods": {"shop": {"web-0": {}}},
	"deployments.apps": {"blog": {"web": {}}},
	"statefulsets.apps": {"shop": {"web": {}}},
}

delete(name, metadata, kinds) := {
	"request": {
		"operation": "DELETE", "kind": {"kind": "Namespace"}, "name": name, "namespace": name,
		"object": null, "oldObject": {"metadata": metadata},
	},
	"parameters": {"kinds": kinds, "annotation": "portcullis.dev/may-be-deleted"},
}

all_kinds := ["PersistentVolumeClaim", "Pod", "Deployment", "StatefulSet"]

message(kind, number, name) := sprintf(
	`the namespace "shop" still holds %d of kind %s, as %s; delete them first, or set its annotation %s to "true"`,
	[number, kind, name, "portcullis.dev/may-be-deleted"],
)

test_a_namespace_in_use_is_kept if {
	deletion_guarded.deny == {
	{"message": message(kind, number, name), "field": `metadata.annotations["portcullis.dev/may-be-deleted"]`} |
		some [kind, number, name] in [["PersistentVolumeClaim", 2, "logs"], ["Pod", 1, "web-0"], ["StatefulSet", 1, "web"]]
	} with input as delete("shop", {"name": "shop"}, all_kinds)
		with data.kubernetes as cluster
}

test_only_the_kinds_of_the_parameter_count if {
	count(deletion_guarded.deny) == 1 with input as delete("shop", {}, ["Pod", "Deployment"]) with data.kubernetes as cluster
	count(deletion_guarded.deny) == 1 with input as delete("blog", {}, all_kinds) with data.kubernetes as cluster
}

test_an_empty_namespace_goes if {
	deletion_guarded.deny == set() with input as delete("new", {}, all_kinds) with data.kubernetes as cluster
}

may(value) := {"annotations": {"portcullis.dev/may-be-deleted": value}}

test_it_goes_if_its_annotation_says_so if {
	deletion_guarded.deny == set() with input as delete("shop", may("true"), all_kinds) with data.kubernetes as cluster
	count(deletion_guarded.deny) == 3 with input as delete("shop", may("false"), all_kinds) with data.kubernetes as cluster
}

test_one_that_is_going_is_let_go if {
	going := {"deletionTimestamp": "2026-01-01T00:00:00Z"}
	deletion_guarded.deny == set() with input as delete("shop", going, all_kinds) with data.kubernetes as cluster
}

test_updates_are_allowed if {
	deletion_guarded.deny == set() with data.kubernetes as cluster with input as object.union(
		delete("shop", {}, all_kinds),
		{"request": {"operation": "UPDATE"}},
	)
}
