# METADATA
# title: Gateways have TLS
# description: >-
#   What goes to a listener without TLS can be read and changed on its way. Each listener of a Gateway, or of a ListenerSet that is added to
#   one, must have a protocol of the parameter. What only sends browsers on to https has to listen without TLS: exempt
#   such listeners by their names.
# related_resources:
# - ref: https://gateway-api.sigs.k8s.io/guides/tls/
#   description: TLS of a Gateway
# custom:
#   portcullis:
#     severity: medium
#     match: {resources: [gateways.gateway.networking.k8s.io, listenersets.gateway.networking.k8s.io]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         protocols:
#           description: The protocols a listener may have.
#           type: array
#           minItems: 1
#           items: {type: string, minLength: 1}
#           default: [HTTPS, TLS]
#         exemptListeners:
#           description: Names of listeners that may have any protocol, as globs in which a star stands for any text.
#           type: array
#           items: {type: string, pattern: "^[a-z0-9.*-]+$"}
#           default: []
#         exemptClasses:
#           description: Values of gatewayClassName whose Gateways need no TLS, as that of a mesh that encrypts by itself.
#           type: array
#           items: {type: string, minLength: 1}
#           default: []
#       examples:
#       - exemptListeners: [redirect]
package portcullis.library.gateways.tls_required

import data.portcullis.kubernetes

deny contains {"message": message, "field": field} if {
	some i, listener in kubernetes.object.spec.listeners
	protocol := kubernetes.text(listener, "protocol")
	not protocol in input.parameters.protocols
	name := kubernetes.text(listener, "name")
	not exempt(name)
	not exempt_class
	field := sprintf("spec.listeners[%d].protocol", [i])
	message := sprintf("the listener %q has the protocol %v; use %s", [name, protocol, concat(" or ", input.parameters.protocols)])
}

exempt(name) if {
	some pattern in input.parameters.exemptListeners
	glob.match(pattern, null, name)
}

exempt_class if kubernetes.object.spec.gatewayClassName in input.parameters.exemptClasses
