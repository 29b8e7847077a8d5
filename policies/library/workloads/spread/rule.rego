# METADATA
# title: Replicas are spread
# description: >-
#   Replicas on one node are gone with that node, and the scheduler promises little else. A Deployment or StatefulSet with the
#   replicas of the parameter or more needs a topology spread constraint or an anti-affinity of its Pods, by one of the
#   topology keys, that selects these Pods, with a maxSkew below the replicas. Wishes count as well as conditions, since both are followed
#   where there are nodes enough. The scheduler's own constraints, for what has none, do not count: by default they are wishes that
#   let three more run on one node than on another, and nothing in the workload says that they are there.
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
#           items: {type: string, format: label-key}
#           default: [kubernetes.io/hostname, topology.kubernetes.io/zone]
#         podTemplates:
#           description: >-
#             Where custom resources have their Pod template, by resource and group, as in {"rollouts.argoproj.io":
#             "spec.template"}.
#           type: object
#           propertyNames: {format: resource}
#           additionalProperties: {type: string, pattern: '^[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*$'}
#           default: {}
package portcullis.library.workloads.spread

import data.portcullis.kubernetes
import data.portcullis.selectors

deny contains {"message": message, "field": field} if {
	kubernetes.object.spec.replicas >= input.parameters.replicas
	is_number(kubernetes.object.spec.replicas)
	is_object(kubernetes.pod_spec)
	not spread
	field := sprintf("%s.topologySpreadConstraints", [kubernetes.pod_spec_path])
	message := sprintf("nothing of its own keeps the %d replicas from running on one node; add a topologySpreadConstraint by %s that selects them", [
		kubernetes.object.spec.replicas,
		concat(" or ", input.parameters.topologyKeys),
	])
}

spread if {
	some constraint in kubernetes.pod_spec.topologySpreadConstraints
	by_nodes(constraint)
	not lopsided(constraint)
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
	selectors.selects(term.labelSelector, kubernetes.pod_labels)
}

# With as many more on one node than on another, all may run there.
lopsided(constraint) if {
	constraint.maxSkew > 1
	constraint.maxSkew >= kubernetes.object.spec.replicas
}
