# METADATA
# title: Hosts of HTTPRoutes are unique
# description: >-
#   Routes with one host are merged, so that with that of another team some of its traffic and its cookies can be taken. A host
#   belongs to the namespace whose HTTPRoute has it first, and so do the hosts below a wildcard, as *.example.com. Hosts that a
#   route has already it may keep. Two that are created at the very same moment do not see each other.
# related_resources:
# - ref: https://gateway-api.sigs.k8s.io/api-types/httproute/#hostnames
#   description: Hostnames of an HTTPRoute
# custom:
#   portcullis:
#     severity: high
#     match: {resources: [httproutes.gateway.networking.k8s.io]}
#     data: [httproutes.gateway.networking.k8s.io]
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         sharedInNamespace:
#           description: Whether routes of one namespace may have the same host, as the Gateway API means it.
#           type: boolean
#           default: true
#         sharedWildcards:
#           description: Wildcards below which every namespace may have hosts of its own, whoever has the wildcard, as *.apps.example.com.
#           type: array
#           items: {type: string, pattern: "^[*]([.][a-z0-9-]+)+$"}
#           default: []
package portcullis.library.gateways.unique_host

import data.portcullis.kubernetes

deny contains {"message": message, "field": field} if {
	some i, host in kubernetes.object.spec.hostnames
	not had(host)
	routes := data.kubernetes["httproutes.gateway.networking.k8s.io"]
	some namespace, name
	other := routes[namespace][name].spec.hostnames[_]
	same(host, other)
	not itself(namespace, name)
	not shared(namespace)
	message := sprintf("the host %s belongs to the HTTPRoute %s in the namespace %s, which has %s; choose another one", [
		host,
		name,
		namespace,
		other,
	])
	field := sprintf("spec.hostnames[%d]", [i])
}

same(host, other) if host == other

same(host, other) if below(host, other)

same(host, other) if below(other, host)

# Any number of names may stand for the star.
below(host, wildcard) if {
	is_string(host)
	is_string(wildcard)
	startswith(wildcard, "*.")
	endswith(host, substring(wildcard, 1, -1))
	host != wildcard
	not wildcard in input.parameters.sharedWildcards
}

itself(namespace, name) if {
	namespace == input.request.namespace
	name == input.request.name
}

shared(namespace) if {
	input.parameters.sharedInNamespace
	namespace == input.request.namespace
}

had(host) if {
	kubernetes.operation == "UPDATE"
	host in kubernetes.old_object.spec.hostnames
}
