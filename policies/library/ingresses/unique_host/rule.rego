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
#         sharedLabels:
#           description: >-
#             Labels of Ingresses that may have a host of another one in their namespace in any case, each with its value, as the
#             solvers of ACME challenges.
#           type: object
#           propertyNames: {format: label-key}
#           additionalProperties: {type: string, format: label-value}
#           default: {acme.cert-manager.io/http01-solver: "true"}
#         perClass:
#           description: >-
#             Whether Ingresses of different classes, by ingressClassName, may have the same host, as where a name is one service within
#             and another one outside. Whoever may choose a class may then take a host in it.
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
	not shared(namespace, name)
	not of_other_class(namespace, name)
	not had(rule.host)
	message := sprintf("the host %s belongs to the Ingress %s in the namespace %s; choose another one", [
		rule.host,
		name,
		namespace,
	])
	field := sprintf("spec.rules[%d].host", [i])
}

deny contains {"message": message, "field": field} if {
	some i, rule in kubernetes.object.spec.rules
	wildcard := above(rule.host)
	ingresses := data.kubernetes["ingresses.networking.k8s.io"]
	some namespace, name
	ingresses[namespace][name].spec.rules[_].host == wildcard
	namespace != input.request.namespace
	not of_other_class(namespace, name)
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
	not of_other_class(namespace, name)
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

shared(namespace, _) if {
	input.parameters.sharedInNamespace
	namespace == input.request.namespace
}

# Whichever of the two came first, the one that answers for the host meanwhile has a label.
shared(namespace, _) if {
	namespace == input.request.namespace
	some key, value in input.parameters.sharedLabels
	kubernetes.labels[key] == value
}

shared(namespace, name) if {
	namespace == input.request.namespace
	some key, value in input.parameters.sharedLabels
	data.kubernetes["ingresses.networking.k8s.io"][namespace][name].metadata.labels[key] == value
}

# Without a class an Ingress may be of any.
of_other_class(namespace, name) if {
	input.parameters.perClass
	data.kubernetes["ingresses.networking.k8s.io"][namespace][name].spec.ingressClassName != kubernetes.object.spec.ingressClassName
	is_string(kubernetes.object.spec.ingressClassName)
}

had(host) if {
	kubernetes.operation == "UPDATE"
	some rule in kubernetes.old_object.spec.rules
	rule.host == host
}
