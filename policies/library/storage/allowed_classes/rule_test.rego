package portcullis.library.storage.allowed_classes_test

import data.portcullis.library.storage.allowed_classes

asked(kind, object, allow_default) := {
	"request": {"operation": "CREATE", "kind": {"kind": kind}, "object": object},
	"parameters": {"classes": ["encrypted", "fast"], "allowDefault": allow_default},
}

claim(spec) := asked("PersistentVolumeClaim", {"spec": spec}, true)

test_other_classes_are_denied if {
	every class in ["standard", "", "Encrypted"] {
		allowed_classes.deny == {{
			"message": sprintf(`the storage class %q is not allowed; use one of "encrypted", "fast"`, [class]),
			"field": "spec.storageClassName",
		}} with input as claim({"storageClassName": class})
	}
}

annotated(class) := {
	"metadata": {"annotations": {"volume.beta.kubernetes.io/storage-class": class}},
	"spec": {"storageClassName": "encrypted"},
}

test_the_annotation_goes_before_the_field if {
	count(allowed_classes.deny) == 1 with input as asked("PersistentVolumeClaim", annotated("standard"), true)
	allowed_classes.deny == set() with input as asked("PersistentVolumeClaim", annotated("fast"), true)
}

test_claim_templates_count if {
	template := {"spec": {"volumeClaimTemplates": [{"spec": {"storageClassName": "fast"}}, {"spec": {"storageClassName": "standard"}}]}}
	{f.field | some f in allowed_classes.deny} == {"spec.volumeClaimTemplates[1].spec.storageClassName"} with input as asked(
		"StatefulSet",
		template,
		true,
	)
}

test_ephemeral_volumes_count if {
	spec := {"volumes": [
		{"name": "a", "emptyDir": {}},
		{"name": "b", "ephemeral": {"volumeClaimTemplate": {"spec": {"storageClassName": "standard"}}}},
	]}
	{f.field | some f in allowed_classes.deny} == {"spec.template.spec.volumes[1].ephemeral.volumeClaimTemplate.spec.storageClassName"} with input as asked(
		"Deployment",
		{"spec": {"template": {"spec": spec}}},
		true,
	)
}

test_a_claim_without_a_class_is_denied_if_that_is_wanted if {
	every spec in [{}, {"storageClassName": null}, null] {
		allowed_classes.deny == {{
			"message": `the claim names no storage class; use one of "encrypted", "fast"`,
			"field": "spec.storageClassName",
		}} with input as asked("PersistentVolumeClaim", {"spec": spec}, false)
		allowed_classes.deny == set() with input as claim(spec)
	}
}

test_allowed_classes_are_allowed if {
	allowed_classes.deny == set() with input as claim({"storageClassName": "encrypted"})
	allowed_classes.deny == set() with input as asked("PersistentVolumeClaim", {"spec": {"storageClassName": "fast"}}, false)
	allowed_classes.deny == set() with input as asked("Pod", {"spec": {"volumes": [{"name": "a", "emptyDir": {}}]}}, false)
}

test_a_claim_that_exists_is_let_be if {
	standard := {"spec": {"storageClassName": "standard"}}
	update := {"request": {"operation": "UPDATE", "oldObject": standard}}
	allowed_classes.deny == set() with input as object.union(asked("PersistentVolumeClaim", standard, true), update)
	count(allowed_classes.deny) == 1 with input as object.union(claim({"storageClassName": "slow"}), update)
}

set_of(image, spec) := {"spec": {
	"template": {"spec": {"containers": [{"image": image}]}},
	"volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": spec}],
}}

test_templates_that_exist_are_let_be if {
	every spec in [{"storageClassName": "standard"}, {}] {
		update := {"request": {"operation": "UPDATE", "oldObject": set_of("a:1", spec)}}
		allowed_classes.deny == set() with input as object.union(asked("StatefulSet", set_of("a:2", spec), false), update)
		changed := set_of("a:2", {"storageClassName": "slow"})
		count(allowed_classes.deny) == 1 with input as object.union(asked("StatefulSet", changed, false), update)
	}
}
