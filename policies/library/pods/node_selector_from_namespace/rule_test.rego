package portcullis.library.pods.node_selector_from_namespace_test

import data.portcullis.library.pods.node_selector_from_namespace

name := "scheduler.alpha.kubernetes.io/node-selector"

pod(spec, annotations) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "namespace": "shop", "object": {"spec": spec}},
	"namespace": {"metadata": {"name": "shop", "annotations": annotations}},
	"parameters": {"annotation": name, "nodeSelectors": {}},
}

selects(key, value) := {"default": ["spec", "nodeSelector", key], "value": value}

test_the_annotation_says_the_nodes if {
	node_selector_from_namespace.mutate == {selects("pool", "shop"), selects("disk", "ssd"), selects("bare", "")}
		with input as pod({}, {name: "pool=shop, disk=ssd,bare="})
	node_selector_from_namespace.deny == set() with input as pod({}, {name: "pool=shop"})
}

test_the_parameter_says_the_nodes_where_there_is_no_annotation if {
	parameter := {"shop": {"pool": "shop"}, "*": {"pool": "common"}}
	node_selector_from_namespace.mutate == {selects("pool", "shop")} with input as pod({}, {})
		with input.parameters.nodeSelectors as parameter
	node_selector_from_namespace.mutate == {selects("pool", "a")} with input as pod({}, {name: "pool=a"})
		with input.parameters.nodeSelectors as parameter
	node_selector_from_namespace.mutate == {selects("pool", "common")} with input as pod({}, {})
		with input.parameters.nodeSelectors as parameter
		with input.request.namespace as "other"
	node_selector_from_namespace.mutate == set() with input as pod({}, {})
}

test_an_empty_annotation_says_any_node if {
	node_selector_from_namespace.mutate == set() with input as pod({}, {name: ""})
		with input.parameters.nodeSelectors as {"shop": {"pool": "shop"}}
	node_selector_from_namespace.deny == set() with input as pod({}, {name: ""})
}

test_a_contradiction_is_refused if {
	node_selector_from_namespace.deny == {{
		"message": `the node selector pool=other contradicts pool=shop of namespace "shop"; remove it`,
		"field": "spec.nodeSelector[pool]",
	}} with input as pod({"nodeSelector": {"pool": "other", "disk": "ssd"}}, {name: "pool=shop"})
}

test_what_narrows_is_fine if {
	every labels in [{"pool": "shop"}, {"disk": "ssd"}, {"pool": null}] {
		node_selector_from_namespace.deny == set() with input as pod({"nodeSelector": labels}, {name: "pool=shop"})
	}
}

test_what_cannot_be_read_is_refused if {
	every written in ["pool", "pool=a=b", "pool=a,,b=c", "=a", "pool=a,pool=b", "a=b,"] {
		node_selector_from_namespace.deny == {{
			"message": concat("", [
				"the annotation scheduler.alpha.kubernetes.io/node-selector of namespace \"shop\" cannot be read; ",
				"write it as KEY=VALUE,KEY=VALUE",
			]),
			"field": "spec.nodeSelector",
		}} with input as pod({}, {name: written})
		node_selector_from_namespace.mutate == set() with input as pod({}, {name: written})
	}
}
