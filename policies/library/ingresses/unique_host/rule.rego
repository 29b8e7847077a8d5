# METADATA
# title: Hosts of Ingresses are unique
# description: >-
#   Of two Ingresses with one host the controller serves whichever it likes, and with that of another team its traffic and
#   its cookies can be taken over. A host belongs to the Ingress that has it first. Two that are created at the very
#   same moment do not see each other.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/services-networking/ingress/#name-based-virtual-hosting
#   description: Name based virtual hosting
# custom:
#   portcullis:
#     severity: high
#     match: {resources: [ingresses.networking.k8s.io]}
#     data: [ingresses.networking.k8s.io]
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         sharedInNamespace:
#           description: Whether Ingresses of one namespace may have the same host, as for different paths.
#           type: boolean
#           default: false
package portcullis.library.ingresses.unique_host

import data.portcullis.kubernetes

deny contains {"message": message, "field": field} if {
	some i, rule in kubernetes.object.spec.rules

	# By way of a variable, and compared at once: that is half of the time of every other order.
	ingresses := data.kubernetes["ingresses.networking.k8s.io"]
	some namespace, name
	ingresses[namespace][name].spec.rules[_].host == rule.host
	not itself(namespace, name)
	not shared(namespace)
	message := sprintf("the host %s belongs to the Ingress %s in the namespace %s; choose another one", [rule.host, name, namespace])
	field := sprintf("spec.rules[%d].host", [i])
}

itself(namespace, name) if {
	namespace == input.request.namespace
	name == input.request.name
}

shared(namespace) if {
	input.parameters.sharedInNamespace
	namespace == input.request.namespace
}
