package portcullis.library.resources.classes_test

import data.portcullis.library.resources.classes

pod(metadata, spec) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"metadata": metadata, "spec": spec}},
	"namespace": {"metadata": {"name": "shop", "labels": {"class": "small"}}},
	"parameters": {
		"label": "class",
		"defaultClass": "",
		"classes": {
			"small": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
			"large": {"requests": {"cpu": "1"}},
		},
	},
}

sets(field, amount, resource, value) := {"default": ["spec", field, {"name": "app"}, "resources", amount, resource], "value": value}

app(resources) := {"containers": [{"name": "app", "resources": resources}]}

test_all_of_the_class_of_the_namespace if {
	every field in ["initContainers", "containers"] {
		classes.mutate == {
			sets(field, "requests", "cpu", "50m"),
			sets(field, "requests", "memory", "128Mi"),
			sets(field, "limits", "memory", "256Mi"),
		} with input as pod({}, {field: [{"name": "app"}]})
	}
	classes.mutate == set() with input as pod({}, {"ephemeralContainers": [{"name": "app"}]})
}

test_the_label_of_the_pod_comes_first if {
	classes.mutate == {sets("containers", "requests", "cpu", "1")} with input as pod({"labels": {"class": "large"}}, app({}))
}

test_the_default_comes_last if {
	classes.mutate == {sets("containers", "requests", "cpu", "1")} with input as pod({}, app({}))
		with input.namespace.metadata.labels as {}
		with input.parameters.defaultClass as "large"
	classes.mutate == set() with input as pod({}, app({})) with input.namespace.metadata.labels as {}
	classes.deny == set() with input as pod({}, app({})) with input.namespace.metadata.labels as {}
}

test_what_the_container_says_stays if {
	classes.mutate == {sets("containers", "limits", "memory", "256Mi")}
		with input as pod({}, app({"requests": {"cpu": "2", "memory": "1Mi"}}))
}

test_a_limit_is_not_below_the_request if {
	classes.mutate == {sets("containers", "requests", "cpu", "50m"), sets("containers", "limits", "memory", "1Gi")}
		with input as pod({}, app({"requests": {"memory": "1Gi"}}))
}

test_a_request_is_the_limit_where_only_that_is_said if {
	classes.mutate == {sets("containers", "requests", "cpu", "50m"), sets("containers", "requests", "memory", "64Mi")}
		with input as pod({}, app({"limits": {"memory": "64Mi"}, "requests": null}))
}

test_what_the_pod_says_holds if {
	every said in [{"requests": {"memory": "1Gi"}}, {"limits": {"memory": "1Gi"}}] {
		classes.mutate == {sets("containers", "requests", "cpu", "50m")}
			with input as pod({}, object.union(app({}), {"resources": said}))
	}
}

test_a_class_that_is_not_there_is_refused if {
	classes.deny == {{
		"message": `"huge" is no class of resources; the label class names one of large, small`,
		"field": "metadata.labels[class]",
	}} with input as pod({"labels": {"class": "huge"}}, app({}))
	classes.mutate == set() with input as pod({"labels": {"class": "huge"}}, app({}))
	count(classes.deny) == 1 with input as pod({}, app({})) with input.namespace.metadata.labels as {"class": "huge"}
}
