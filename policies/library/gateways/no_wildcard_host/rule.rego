# METADATA
# title: Gateways and routes name their hosts
# description: >-
#   A listener for every host lets whoever may attach a route to it take any name, and a route without hostnames takes all that its
#   listener has. Listeners of Gateways and ListenerSets, and HTTPRoutes, GRPCRoutes and TLSRoutes, must name their hosts,
#   other than the wildcards of the parameter. Listeners for TCP and UDP have none, and are not judged.
# related_resources:
# - ref: https://gateway-api.sigs.k8s.io/concepts/security-model/
#   description: Security model of the Gateway API
# - ref: https://gateway-api.sigs.k8s.io/api-types/httproute/#hostnames
#   description: Hostnames of an HTTPRoute
# custom:
#   portcullis:
#     severity: medium
#     match:
#       resources:
#       - gateways.gateway.networking.k8s.io
#       - listenersets.gateway.networking.k8s.io
#       - httproutes.gateway.networking.k8s.io
#       - grpcroutes.gateway.networking.k8s.io
#       - tlsroutes.gateway.networking.k8s.io
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         allowed:
#           description: Wildcards that may be hosts, as *.shop.example.com.
#           type: array
#           items: {type: string, pattern: "^[*]([.][a-z0-9-]+)+$"}
#           default: []
#         allowMesh:
#           description: Whether routes of a mesh, which are attached to Services alone, need no hostnames.
#           type: boolean
#           default: true
package portcullis.library.gateways.no_wildcard_host

import data.portcullis.kubernetes

deny contains {"message": message, "field": field} if {
	some i, listener in kubernetes.object.spec.listeners
	not kubernetes.text(listener, "protocol") in {"TCP", "UDP"}
	host := kubernetes.text(listener, "hostname")
	not allowed(host)
	field := sprintf("spec.listeners[%d].hostname", [i])
	message := sprintf("the listener %q is for %s; name a host", [kubernetes.text(listener, "name"), named(host)])
}

deny contains {"message": message, "field": field} if {
	some i, host in kubernetes.object.spec.hostnames
	not allowed(host)
	field := sprintf("spec.hostnames[%d]", [i])
	message := sprintf("the route is for %s; name a host", [named(host)])
}

deny contains {"message": message, "field": "spec.hostnames"} if {
	input.request.kind.kind in {"HTTPRoute", "GRPCRoute", "TLSRoute"}
	not has_hostnames
	not of_mesh
	message := "the route is for every host of its listener; name some in spec.hostnames"
}

allowed(host) if {
	is_string(host)
	host != ""
	not startswith(host, "*")
}

allowed(host) if host in input.parameters.allowed

named(host) := "every host" if host in {"", null}

named(host) := sprintf("the wildcard %v", [host]) if not host in {"", null}

has_hostnames if kubernetes.object.spec.hostnames[0]

of_mesh if {
	input.parameters.allowMesh
	kubernetes.object.spec.parentRefs[0]
	every parent in kubernetes.object.spec.parentRefs {
		parent.kind == "Service"
	}
}
