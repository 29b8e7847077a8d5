# METADATA
# title: Namespaces deny traffic by default
# description: >-
#   Pods that no NetworkPolicy selects speak with everybody. Pods and workloads are made only in namespaces with a NetworkPolicy that
#   selects all Pods and allows nothing in the directions of the parameter; what is needed, others allow. The network plugin must
#   enforce them. A NetworkPolicy that was created a moment ago may not be seen yet; try again.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/services-networking/network-policies/#default-policies
#   description: Default policies
# custom:
#   portcullis:
#     severity: medium
#     controls: [cis-1.9/5.3.2, nsa/network-policies]
#     match: {resources: [pods, workloads], operations: [CREATE]}
#     data: [networkpolicies.networking.k8s.io]
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         directions:
#           description: What must be denied by default, of Ingress and Egress.
#           type: array
#           minItems: 1
#           items: {type: string, enum: [Ingress, Egress]}
#           default: [Ingress]
#       examples:
#       - directions: [Ingress, Egress]
package portcullis.library.networks.default_deny_required

import data.portcullis.kubernetes

deny contains message if {
	some direction in input.parameters.directions
	not denied[direction]
	message := sprintf("the namespace %q has no NetworkPolicy that denies %s by default; create one with an empty podSelector and no %s rules", [
		kubernetes.namespace,
		direction,
		lower(direction),
	])
}

denied["Ingress"] if {
	some spec in for_all
	about_ingress(spec)
	not allows_ingress(spec)
}

denied["Egress"] if {
	some spec in for_all
	"Egress" in spec.policyTypes
	not allows_egress(spec)
}

about_ingress(spec) if "Ingress" in spec.policyTypes

# Without policyTypes, which the API server fills in, a NetworkPolicy is about Ingress.
about_ingress(spec) if not spec.policyTypes

allows_ingress(spec) if spec.ingress[_]

allows_egress(spec) if spec.egress[_]

for_all contains spec if {
	networkpolicies := data.kubernetes["networkpolicies.networking.k8s.io"]
	spec := networkpolicies[kubernetes.namespace][_].spec
	not selective(spec)
}

selective(spec) if spec.podSelector.matchLabels[_]

selective(spec) if spec.podSelector.matchExpressions[_]
