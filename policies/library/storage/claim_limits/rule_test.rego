package portcullis.library.storage.claim_limits_test

import data.portcullis.library.storage.claim_limits

asked(kind, object) := {
	"request": {"operation": "CREATE", "kind": {"kind": kind}, "object": object},
	"parameters": {"maximum": "1Ti", "accessModes": ["ReadWriteOnce", "ReadOnlyMany"]},
}

claim(size, modes) := {"spec": {"accessModes": modes, "resources": {"requests": {"storage": size}}}}

test_claims_that_are_too_large_are_denied if {
	every size in ["1025Gi", "2Ti", "1100000000001", 2000000000000] {
		claim_limits.deny == {{
			"message": sprintf("the claim asks for %v; ask for 1Ti at most", [size]),
			"field": "spec.resources.requests.storage",
		}} with input as asked("PersistentVolumeClaim", claim(size, ["ReadWriteOnce"]))
	}
	claim_limits.deny == {{
		"message": "the claim asks for 1Gib, which is no quantity; ask for 1Ti at most",
		"field": "spec.resources.requests.storage",
	}} with input as asked("PersistentVolumeClaim", claim("1Gib", null))
}

test_other_access_modes_are_denied if {
	claim_limits.deny == {{
		"message": "the access mode ReadWriteMany is not allowed; use one of ReadWriteOnce, ReadOnlyMany",
		"field": "spec.accessModes[1]",
	}} with input as asked("PersistentVolumeClaim", claim("1Gi", ["ReadOnlyMany", "ReadWriteMany"]))
}

test_templates_count if {
	set_of := {"spec": {"volumeClaimTemplates": [claim("1Gi", []), claim("2Ti", ["ReadWriteMany"])]}}
	{f.field | some f in claim_limits.deny} == {
		"spec.volumeClaimTemplates[1].spec.resources.requests.storage",
		"spec.volumeClaimTemplates[1].spec.accessModes[0]",
	} with input as asked("StatefulSet", set_of)
}

test_ephemeral_volumes_count if {
	pod := {"spec": {"volumes": [{"name": "a"}, {"name": "b", "ephemeral": {"volumeClaimTemplate": claim("2Ti", [])}}]}}
	{f.field | some f in claim_limits.deny} == {
		"spec.volumes[1].ephemeral.volumeClaimTemplate.spec.resources.requests.storage",
	} with input as asked("Pod", pod)
}

test_claims_within_the_limits_are_allowed if {
	claim_limits.deny == set() with input as asked("PersistentVolumeClaim", claim("1Ti", ["ReadWriteOnce"]))
	claim_limits.deny == set() with input as asked("PersistentVolumeClaim", {"spec": {}})
}

test_a_claim_that_exists_is_let_be if {
	update := {"request": {"operation": "UPDATE", "oldObject": claim("2Ti", ["ReadWriteMany"])}}
	claim_limits.deny == set() with input as object.union(asked("PersistentVolumeClaim", claim("2Ti", ["ReadWriteMany"])), update)
	{f.field | some f in claim_limits.deny} == {"spec.accessModes[1]"} with input as object.union(
		asked("PersistentVolumeClaim", claim("2Ti", ["ReadWriteMany", "ReadWriteOncePod"])),
		update,
	)
	{f.field | some f in claim_limits.deny} == {"spec.resources.requests.storage"} with input as object.union(
		asked("PersistentVolumeClaim", claim("3Ti", ["ReadWriteMany"])),
		update,
	)
}

set_of(image, template) := {"spec": {
	"template": {"spec": {"containers": [{"image": image}]}},
	"volumeClaimTemplates": [object.union(template, {"metadata": {"name": "data"}})],
}}

test_templates_that_exist_are_let_be if {
	update := {"request": {"operation": "UPDATE", "oldObject": set_of("a:1", claim("2Ti", ["ReadWriteMany"]))}}
	claim_limits.deny == set() with input as object.union(asked("StatefulSet", set_of("a:2", claim("2Ti", ["ReadWriteMany"]))), update)
	count(claim_limits.deny) == 1 with input as object.union(asked("StatefulSet", set_of("a:2", claim("3Ti", ["ReadWriteMany"]))), update)
}

test_no_size_is_no_size if {
	claim_limits.deny == set() with input as asked("PersistentVolumeClaim", claim(null, null))
}
