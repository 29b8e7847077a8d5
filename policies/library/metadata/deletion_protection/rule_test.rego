package portcullis.library.metadata.deletion_protection_test

import data.portcullis.library.metadata.deletion_protection

delete(annotations) := {
	"request": {
		"operation": "DELETE",
		"kind": {"kind": "PersistentVolumeClaim"},
		"object": null,
		"oldObject": {"metadata": {"annotations": annotations}},
	},
	"parameters": {"annotation": "portcullis.dev/protected"},
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
	going := {"deletionTimestamp": "2026-01-01T00:00:00Z", "annotations": {"portcullis.dev/protected": "true"}}
	request := json.patch(delete({}), [{"op": "replace", "path": "/request/oldObject/metadata", "value": going}])
	deletion_protection.deny == set() with input as request
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
