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

scale(before, after) := {
	"request": {
		"operation": "UPDATE",
		"kind": {"group": "autoscaling", "version": "v1", "kind": "Scale"},
		"subResource": "scale",
		"oldObject": {"kind": "Scale", "metadata": {"name": "web"}, "spec": before},
		"object": {"kind": "Scale", "metadata": {"name": "web"}, "spec": after},
	},
	"parameters": {"fields": ["spec.replicas", "metadata.labels.tier"]},
}

test_replicas_are_immutable_by_way_of_scale if {
	every change in [
		[{"replicas": 1}, {"replicas": 2}, 1],
		[{"replicas": 1}, {}, 1],
		[{}, {"replicas": 1}, 0],
	] {
		immutable_field.deny == {{
			"message": sprintf("spec.replicas is %d and cannot be changed; leave it as it is", [change[2]]),
			"field": "spec.replicas",
		}} with input as scale(change[0], change[1])
	}
}

test_a_scale_that_changes_nothing_is_allowed if {
	immutable_field.deny == set() with input as scale({"replicas": 1}, {"replicas": 1})
	immutable_field.deny == set() with input as scale({}, {})
}

ports(numbers) := {
	"request": {
		"operation": "UPDATE", "kind": {"kind": "Service"},
		"oldObject": {"spec": {"ports": [{"port": 80}, {"port": 443}]}},
		"object": {"spec": {"ports": [{"port": number} | some number in numbers]}},
	},
	"parameters": {"fields": ["spec.ports.0.port"]},
}

test_a_path_into_a_list_stands_for_the_list if {
	immutable_field.deny == {{
		"message": `spec.ports.0.port is [{"port":80},{"port":443}] and cannot be changed; leave it as it is`,
		"field": "spec.ports.0.port",
	}} with input as ports([80, 8443])
	count(immutable_field.deny) == 1 with input as ports([])
	immutable_field.deny == set() with input as ports([80, 443])
}
