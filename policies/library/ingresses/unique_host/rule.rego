# METADATA
# title: Hosts of Ingresses are unique
# description: >-
#   Of two Ingresses with one host the controller serves whichever it likes, and with that of another team its traffic and
#   its cookies can be taken over. A host belongs to the Ingress that has it first, and the hosts below a wildcard, as
#   *.example.com, to the namespace that has one of them first. Hosts that an Ingress has already it may keep. Two that are
#   created at the very same moment do not see each other.
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
#         sharedWildcards:
#           description: Wildcards below which every namespace may have hosts of its own, whoever has the wildcard, as *.apps.example.com.
#           type: array
#           items: {type: string, pattern: "^[*]([.][a-z0-9-]+)+$"}
#           default: []
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
	not had(rule.host)
	message := sprintf("the host %s belongs to the Ingress %s in the namespace %s; choose another one", [rule.host, name, namespace])
	field := sprintf("spec.rules[%d].host", [i])
}

deny contains {"message": message, "field": field} if {
	some i, rule in kubernetes.object.spec.rules
	wildcard := above(rule.host)
	ingresses := data.kubernetes["ingresses.networking.k8s.io"]
	some namespace, name
	ingresses[namespace][name].spec.rules[_].host == wildcard
	namespace != input.request.namespace
	not had(rule.host)
	message := sprintf("the host %s is one of %s, which belongs to the Ingress %s in the namespace %s; choose another one", [
		rule.host,
		wildcard,
		name,
		namespace,
	])
	field := sprintf("spec.rules[%d].host", [i])
}

deny contains {"message": message, "field": field} if {
	some i, rule in kubernetes.object.spec.rules
	is_string(rule.host)
	startswith(rule.host, "*.")
	not rule.host in input.parameters.sharedWildcards
	not had(rule.host)
	ingresses := data.kubernetes["ingresses.networking.k8s.io"]
	some namespace, name
	host := ingresses[namespace][name].spec.rules[_].host
	namespace != input.request.namespace
	above(host) == rule.host
	message := sprintf("the host %s would take %s from the Ingress %s in the namespace %s; name the hosts one by one", [
		rule.host,
		host,
		name,
		namespace,
	])
	field := sprintf("spec.rules[%d].host", [i])
}

# The wildcard that a host is one of, unless it is shared: one name may stand for the star.
above(host) := wildcard if {
	is_string(host)
	dot := indexof(host, ".")
	dot > 0
	wildcard := concat("", ["*", substring(host, dot, -1)])
	wildcard != host
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
	some rule in kubernetes.old_object.spec.rules
	rule.host == host
}
