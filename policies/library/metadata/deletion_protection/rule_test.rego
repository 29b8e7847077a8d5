package portcullis.library.metadata.deletion_protection_test

import data.portcullis.library.metadata.deletion_protection

delete(annotations) := {
	"request": {
		"operation": "DELETE",
		"kind": {"kind": "PersistentVolumeClaim"},
		"object": null,
		"oldObject": {"metadata": {"annotations": annotations}},
	},
	"parameters": {"annotation": "portcullis.dev/protected", "labels": {"tier": "critical", "team": "ledger"}},
}

labelled(metadata) := json.patch(delete({}), [{"op": "replace", "path": "/request/oldObject/metadata", "value": metadata}])

test_labels_keep_objects if {
	deletion_protection.deny == {{
		"message": `PersistentVolumeClaim is protected from deletion; change its label "tier", which is "critical", first`,
		"field": `metadata.labels["tier"]`,
	}} with input as labelled({"labels": {"tier": "critical", "team": "shop"}})
	deletion_protection.deny == set() with input as labelled({"labels": {"tier": "low"}})
	deletion_protection.deny == set() with input as labelled({})
}

test_protected_object_is_kept if {
	deletion_protection.deny == {{
		"message": `PersistentVolumeClaim is protected from deletion; remove its annotation "portcullis.dev/protected" first`,
		"field": `metadata.annotations["portcullis.dev/protected"]`,
	}} with input as delete({"portcullis.dev/protected": "true"})
}

test_other_objects_go if {
	some annotations in [null, {}, {"portcullis.dev/protected": "false"}, {"example.com/protected": "true"}]
	deletion_protection.deny == set() with input as delete(annotations)
}

test_what_is_being_deleted_may_go if {
	going := {
		"annotations": {"portcullis.dev/protected": "true"},
		"deletionTimestamp": "2026-01-01T00:00:00Z",
		"labels": {"tier": "critical"},
	}
	deletion_protection.deny == set() with input as labelled(going)
}

test_the_update_that_removes_the_annotation_is_allowed if {
	deletion_protection.deny == set() with input as {
		"request": {
			"operation": "UPDATE",
			"kind": {"kind": "PersistentVolumeClaim"},
			"object": {"metadata": {}},
			"oldObject": {"metadata": {"annotations": {"portcullis.dev/protected": "true"}}},
		},
		"parameters": {"annotation": "portcullis.dev/protected"},
	}
}
