# METADATA
# title: Replicas are spread
# description: >-
#   Replicas on one node are gone with that node, and the scheduler promises nothing else. A Deployment or StatefulSet with the
#   replicas of the parameter or more needs a topology spread constraint or an anti-affinity of its Pods, by one of the
#   topology keys, and with a selector. Wishes count as well as conditions, since both are followed where there are nodes enough.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/
#   description: Topology spread constraints
# - ref: https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity
#   description: Anti-affinity of Pods
# custom:
#   portcullis:
#     severity: low
#     match: {resources: [deployments.apps, statefulsets.apps], changes: [spec]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         replicas:
#           description: From how many replicas on a workload must be spread.
#           type: integer
#           minimum: 1
#           default: 2
#         topologyKeys:
#           description: The labels of nodes by which replicas may be spread.
#           type: array
#           minItems: 1
#           items: {type: string, minLength: 1}
#           default: [kubernetes.io/hostname, topology.kubernetes.io/zone]
#         podTemplates:
#           description: >-
#             Where custom resources have their Pod template, by resource and group, as in {"rollouts.argoproj.io":
#             "spec.template"}.
#           type: object
#           additionalProperties: {type: string, pattern: '^[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*$'}
#           default: {}
package portcullis.library.workloads.spread

import data.portcullis.kubernetes

deny contains {"message": message, "field": field} if {
	kubernetes.object.spec.replicas >= input.parameters.replicas
	is_number(kubernetes.object.spec.replicas)
	is_object(kubernetes.pod_spec)
	not spread
	field := sprintf("%s.topologySpreadConstraints", [kubernetes.pod_spec_path])
	message := sprintf("nothing keeps the %d replicas from running on one node; add a topologySpreadConstraint by %s", [
		kubernetes.object.spec.replicas,
		concat(" or ", input.parameters.topologyKeys),
	])
}

spread if {
	some constraint in kubernetes.pod_spec.topologySpreadConstraints
	by_nodes(constraint)
}

spread if {
	some term in kubernetes.pod_spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution
	by_nodes(term)
}

spread if {
	some wish in kubernetes.pod_spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution
	by_nodes(wish.podAffinityTerm)
}

# Without a selector it is about no Pods.
by_nodes(term) if {
	term.topologyKey in input.parameters.topologyKeys
	is_object(term.labelSelector)
}
