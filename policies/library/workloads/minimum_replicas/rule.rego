# METADATA
# title: Workloads have replicas
# description: >-
#   What runs in one Pod is gone while that Pod is moved to another node. Deployments and StatefulSets need the replicas of the
#   parameter, and so does who scales them. Where a HorizontalPodAutoscaler scales a workload its minReplicas count, and have to
#   be as many.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#replicas
#   description: Replicas
# - ref: https://kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale/
#   description: Horizontal Pod autoscaling
# custom:
#   portcullis:
#     severity: low
#     match:
#       resources:
#       - deployments.apps
#       - deployments.apps/scale
#       - statefulsets.apps
#       - statefulsets.apps/scale
#       - horizontalpodautoscalers.autoscaling
#       changes: [spec]
#     data: [horizontalpodautoscalers.autoscaling]
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         minimum:
#           description: How many replicas a workload has at least.
#           type: integer
#           minimum: 1
#           default: 2
#         allowZero:
#           description: Whether a workload may be turned off, by 0 replicas.
#           type: boolean
#           default: true
package portcullis.library.workloads.minimum_replicas

import data.portcullis.kubernetes

deny contains {"message": message, "field": "spec.replicas"} if {
	input.request.kind.kind != "HorizontalPodAutoscaler"
	is_object(kubernetes.object.spec)
	too_few(replicas)
	not autoscaled
	message := sprintf("%d replicas are fewer than %d; raise spec.replicas, or have a HorizontalPodAutoscaler with minReplicas %d first", [
		replicas,
		input.parameters.minimum,
		input.parameters.minimum,
	])
}

deny contains {"message": message, "field": "spec.minReplicas"} if {
	kubernetes.object.spec.scaleTargetRef.kind in {"Deployment", "StatefulSet"}
	least := minimum_of(kubernetes.object)
	too_few(least)
	message := sprintf("the HorizontalPodAutoscaler goes down to %d replicas, fewer than %d; raise spec.minReplicas", [
		least,
		input.parameters.minimum,
	])
}

too_few(number) if {
	number < input.parameters.minimum
	not off(number)
}

off(0) if input.parameters.allowZero

# A Scale leaves out what is 0, and other objects leave out 1.
replicas := kubernetes.object.spec.replicas if {
	is_number(kubernetes.object.spec.replicas)
} else := 0 if {
	input.request.kind.kind == "Scale"
} else := 1

autoscaled if {
	autoscalers := data.kubernetes["horizontalpodautoscalers.autoscaling"]
	some name
	target := autoscalers[input.request.namespace][name].spec.scaleTargetRef
	target.name == input.request.name
	resource_of[target.kind] == input.request.resource.resource
	not too_few(minimum_of(autoscalers[input.request.namespace][name]))
}

resource_of := {"Deployment": "deployments", "StatefulSet": "statefulsets"}

minimum_of(autoscaler) := autoscaler.spec.minReplicas if {
	is_number(autoscaler.spec.minReplicas)
} else := 1
