# METADATA
# title: Pods are spread
# description: >-
#   Replicas that all run on one node or in one zone fail with it. A Pod whose author did not say how it is to be spread gets the
#   constraints of the parameter, among the Pods that have the same values of the identifying labels. A Pod without such a
#   label stays as it is, and so does one that has its node already or belongs to a DaemonSet or a Job. Pods are edited and not their
#   workloads, so that what is in Git and what is in the cluster stay the same.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/
#   description: Topology spread constraints
# custom:
#   portcullis:
#     severity: low
#     match: {resources: [pods], operations: [CREATE]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         labels:
#           description: The keys of the labels that tell the Pods of one workload from others.
#           type: array
#           minItems: 1
#           items: {type: string, format: label-key}
#           default: [app.kubernetes.io/name, app.kubernetes.io/instance, app.kubernetes.io/component, app]
#         constraints:
#           description: The constraints to set.
#           type: array
#           minItems: 1
#           items:
#             type: object
#             additionalProperties: false
#             required: [topologyKey, whenUnsatisfiable, maxSkew]
#             properties:
#               topologyKey:
#                 description: The label of nodes whose values are the places to spread over.
#                 type: string
#                 format: label-key
#               whenUnsatisfiable:
#                 description: Whether a Pod that cannot be spread runs all the same.
#                 type: string
#                 enum: [ScheduleAnyway, DoNotSchedule]
#               maxSkew:
#                 description: By how many Pods two places may differ.
#                 type: integer
#                 minimum: 1
#           default:
#           - {topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: ScheduleAnyway, maxSkew: 1}
#           - {topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ScheduleAnyway, maxSkew: 1}
package portcullis.library.pods.default_topology_spread

import data.portcullis.kubernetes

mutate contains {"default": ["spec", "topologySpreadConstraints"], "value": constraints} if {
	count(shared) > 0
	object.get(kubernetes.pod_spec, "nodeName", "") in {"", null}
	not placed_otherwise
	constraints := [object.union(constraint, selection) | some constraint in input.parameters.constraints]
}

# An empty list asks for no constraint, and "default" sets none where a list is.
shared := {key: value |
	some key in input.parameters.labels
	value := kubernetes.labels[key]
	is_string(value)
}

# Pods of two revisions of a Deployment are counted apart.
selection := {"labelSelector": {"matchLabels": shared}, "matchLabelKeys": ["pod-template-hash"]} if {
	kubernetes.labels["pod-template-hash"]
	not "pod-template-hash" in input.parameters.labels
} else := {"labelSelector": {"matchLabels": shared}}

placed_otherwise if {
	some owner in kubernetes.object.metadata.ownerReferences
	owner.controller == true
	owner.kind in {"DaemonSet", "Job"}
}
