package portcullis.library.metadata.immutable_field_test

import data.portcullis.library.metadata.immutable_field

update(before, after) := {
	"request": {"operation": "UPDATE", "kind": {"kind": "Service"}, "oldObject": before, "object": after},
	"parameters": {"fields": ["spec.type", ["metadata", "labels", "example.com/tier"]]},
}

test_change_is_denied if {
	immutable_field.deny == {{
		"message": `spec.type is "ClusterIP" and cannot be changed; leave it as it is`,
		"field": "spec.type",
	}} with input as update({"spec": {"type": "ClusterIP"}}, {"spec": {"type": "LoadBalancer"}})
}

test_removal_is_denied if {
	immutable_field.deny == {{
		"message": `metadata.labels.example.com/tier is false and cannot be changed; leave it as it is`,
		"field": "metadata.labels.example.com/tier",
	}} with input as update({"metadata": {"labels": {"example.com/tier": false}}}, {"metadata": {}})
}

test_first_setting_is_allowed if {
	immutable_field.deny == set() with input as update({"spec": {"type": null}}, {"spec": {"type": "LoadBalancer"}})
	immutable_field.deny == set() with input as update({}, {"spec": {"type": "LoadBalancer"}})
}

test_other_changes_are_allowed if {
	immutable_field.deny == set() with input as update(
		{"spec": {"type": "ClusterIP", "ports": []}},
		{"spec": {"type": "ClusterIP", "ports": [{"port": 80}]}},
	)
}
