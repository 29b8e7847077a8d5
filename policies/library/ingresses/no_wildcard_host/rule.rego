# METADATA
# title: Ingresses name their hosts
# description: >-
#   An Ingress for a wildcard, or for every host, is sent the requests to names that are given away later, and to those of others
#   that nobody serves at the moment. Each rule must name its host, other than the wildcards of the parameter, and nothing but
#   the Ingress classes of the parameter may have a default backend.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/services-networking/ingress/#hostname-wildcards
#   description: Wildcards in the hosts of an Ingress
# - ref: https://kubernetes.io/docs/concepts/services-networking/ingress/#default-backend
#   description: Default backend
# custom:
#   portcullis:
#     severity: medium
#     match: {resources: [ingresses.networking.k8s.io]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         allowed:
#           description: Wildcards that may be hosts, as *.shop.example.com.
#           type: array
#           items: {type: string, pattern: "^[*]([.][a-z0-9-]+)+$"}
#           default: []
#         catchAllClasses:
#           description: Values of ingressClassName whose Ingresses may be for every host.
#           type: array
#           items: {type: string, minLength: 1}
#           default: []
package portcullis.library.ingresses.no_wildcard_host

import data.portcullis.kubernetes

deny contains {"message": message, "field": field} if {
	some i, rule in kubernetes.object.spec.rules
	is_string(rule.host)
	startswith(rule.host, "*")
	not rule.host in input.parameters.allowed
	field := sprintf("spec.rules[%d].host", [i])
	message := sprintf("the host %s is a wildcard; name the hosts one by one", [rule.host])
}

deny contains {"message": message, "field": field} if {
	some i, rule in kubernetes.object.spec.rules
	kubernetes.text(rule, "host") == ""
	not may_catch_all
	field := sprintf("spec.rules[%d].host", [i])
	message := "the rule is for every host; name one"
}

deny contains {"message": message, "field": "spec.defaultBackend"} if {
	is_object(kubernetes.object.spec.defaultBackend)
	not may_catch_all
	message := "the default backend is for every host; name the hosts in spec.rules"
}

may_catch_all if kubernetes.object.spec.ingressClassName in input.parameters.catchAllClasses
