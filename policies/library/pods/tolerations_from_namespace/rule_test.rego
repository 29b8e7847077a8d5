package portcullis.library.pods.tolerations_from_namespace_test

import data.portcullis.library.pods.tolerations_from_namespace

name := "scheduler.alpha.kubernetes.io/defaultTolerations"

pod(spec, annotations) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "namespace": "shop", "object": {"spec": spec}},
	"namespace": {"metadata": {"name": "shop", "annotations": annotations}},
	"parameters": {"annotation": name, "tolerations": {}},
}

tolerates(toleration) := {"append": ["spec", "tolerations"], "value": toleration}

shop := {"key": "pool", "value": "shop", "effect": "NoSchedule"}

gone := {"key": "gone", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}

test_the_annotation_says_the_tolerations if {
	tolerations_from_namespace.mutate == {tolerates(shop), tolerates(gone)}
		with input as pod({}, {name: json.marshal([shop, gone])})
	tolerations_from_namespace.deny == set() with input as pod({}, {name: json.marshal([shop])})
}

test_the_parameter_says_the_tolerations_where_there_is_no_annotation if {
	parameter := {"shop": [shop], "*": [gone]}
	tolerations_from_namespace.mutate == {tolerates(shop)} with input as pod({}, {})
		with input.parameters.tolerations as parameter
	tolerations_from_namespace.mutate == {tolerates(gone)} with input as pod({}, {name: json.marshal([gone])})
		with input.parameters.tolerations as parameter
	tolerations_from_namespace.mutate == {tolerates(gone)} with input as pod({}, {})
		with input.parameters.tolerations as parameter
		with input.request.namespace as "other"
	tolerations_from_namespace.mutate == set() with input as pod({}, {name: ""})
		with input.parameters.tolerations as parameter
	tolerations_from_namespace.mutate == set() with input as pod({}, {})
}

test_tolerations_for_the_same_taint_stay if {
	own := [object.union(shop, {"operator": "Equal"}), object.union(gone, {"tolerationSeconds": 300})]
	tolerations_from_namespace.mutate == set() with input as pod({"tolerations": own}, {name: json.marshal([shop, gone])})
	other := [object.union(shop, {"effect": "NoExecute"})]
	tolerations_from_namespace.mutate == {tolerates(shop)} with input as pod({"tolerations": other}, {name: json.marshal([shop])})
}

test_what_cannot_be_read_is_refused if {
	every written in [
		"pool=shop", "{}", "[1]", "null", "[",
		`[{"key": 1}]`,
		`[{"key": "pool", "operator": "Exist"}]`,
		`[{"key": "pool", "effect": "NoScheduling"}]`,
		`[{"kye": "pool"}]`,
		`[{"key": "pool", "effect": "NoExecute", "tolerationSeconds": "30"}]`,
	] {
		tolerations_from_namespace.deny == {{
			"message": concat("", [
				"the annotation scheduler.alpha.kubernetes.io/defaultTolerations of namespace \"shop\" cannot be read; ",
				"write it as a list of tolerations in JSON",
			]),
			"field": "spec.tolerations",
		}} with input as pod({}, {name: written})
		tolerations_from_namespace.mutate == set() with input as pod({}, {name: written})
	}
}
