package portcullis.library.workloads.minimum_replicas_test

import data.portcullis.library.workloads.minimum_replicas

asked(kind, resource, spec) := {
	"request": {
		"operation": "UPDATE",
		"kind": {"kind": kind},
		"resource": {"resource": resource},
		"namespace": "shop",
		"name": "web",
		"object": {"spec": spec},
	},
	"parameters": {"minimum": 2, "allowZero": true},
}

autoscaler(kind, name, least) := {"spec": {"scaleTargetRef": {"kind": kind, "name": name}, "minReplicas": least, "maxReplicas": 9}}

with_autoscaler(namespace, object) := {"horizontalpodautoscalers.autoscaling": {namespace: {"any": object}}}

none := {"horizontalpodautoscalers.autoscaling": {}}

test_too_few_replicas_are_denied if {
	minimum_replicas.deny == {{
		"message": "1 replicas are fewer than 2; raise spec.replicas, or have a HorizontalPodAutoscaler with minReplicas 2 first",
		"field": "spec.replicas",
	}} with input as asked("Deployment", "deployments", {"replicas": 1}) with data.kubernetes as none
}

test_none_given_is_one if {
	every spec in [{}, {"replicas": null}] {
		count(minimum_replicas.deny) == 1 with input as asked("StatefulSet", "statefulsets", spec) with data.kubernetes as none
	}
}

test_enough_replicas_are_allowed if {
	minimum_replicas.deny == set() with input as asked("Deployment", "deployments", {"replicas": 2}) with data.kubernetes as none
}

test_what_is_turned_off_is_allowed_unless_it_is_not if {
	off := asked("Deployment", "deployments", {"replicas": 0})
	minimum_replicas.deny == set() with input as off with data.kubernetes as none
	count(minimum_replicas.deny) == 1 with input as off with input.parameters.allowZero as false with data.kubernetes as none
}

test_who_scales_is_asked_as_well if {
	count(minimum_replicas.deny) == 1 with input as asked("Scale", "deployments", {"replicas": 1}) with data.kubernetes as none
	minimum_replicas.deny == set() with input as asked("Scale", "deployments", {}) with data.kubernetes as none
}

test_an_autoscaler_with_enough_is_trusted if {
	cluster := with_autoscaler("shop", autoscaler("Deployment", "web", 2))
	minimum_replicas.deny == set() with input as asked("Deployment", "deployments", {}) with data.kubernetes as cluster
	minimum_replicas.deny == set() with input as asked("Scale", "deployments", {"replicas": 1}) with data.kubernetes as cluster
}

test_other_autoscalers_are_not if {
	every cluster in [
		with_autoscaler("blog", autoscaler("Deployment", "web", 2)),
		with_autoscaler("shop", autoscaler("Deployment", "api", 2)),
		with_autoscaler("shop", autoscaler("StatefulSet", "web", 2)),
		with_autoscaler("shop", autoscaler("ReplicaSet", "web", 2)),
		with_autoscaler("shop", autoscaler("Deployment", "web", 1)),
		with_autoscaler("shop", {"spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}}}),
	] {
		count(minimum_replicas.deny) == 1 with input as asked("Deployment", "deployments", {"replicas": 1}) with data.kubernetes as cluster
	}
}

test_an_autoscaler_with_too_few_is_denied if {
	minimum_replicas.deny == {{
		"message": "the HorizontalPodAutoscaler goes down to 1 replicas, fewer than 2; raise spec.minReplicas",
		"field": "spec.minReplicas",
	}} with input as asked("HorizontalPodAutoscaler", "horizontalpodautoscalers", {"scaleTargetRef": {"kind": "Deployment"}})
		with data.kubernetes as none
}

test_other_autoscalers_are_allowed if {
	every object in [autoscaler("Deployment", "web", 2), autoscaler("Deployment", "web", 0), autoscaler("Workers", "web", 1)] {
		minimum_replicas.deny == set() with input as asked("HorizontalPodAutoscaler", "horizontalpodautoscalers", object.spec)
			with data.kubernetes as none
	}
}
