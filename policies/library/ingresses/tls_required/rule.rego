# METADATA
# title: Ingresses have TLS
# description: >-
#   What goes to a host without TLS, passwords and cookies included, can be read and changed on its way. Each host of an Ingress must
#   be in one of its tls entries, or be one of a wildcard there; an entry without hosts is for all of them. An
#   Ingress for every host needs such an entry. Solvers of ACME challenges have no TLS: leave them out by match.labels, as
#   acme.cert-manager.io/http01-solver, or by their class.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/services-networking/ingress/#tls
#   description: TLS of an Ingress
# custom:
#   portcullis:
#     severity: medium
#     match: {resources: [ingresses.networking.k8s.io]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         exemptHosts:
#           description: Hosts that need no TLS, as globs in which a star stands for any text.
#           type: array
#           items: {type: string, pattern: "^[a-z0-9.*-]+$"}
#           default: []
#         exemptClasses:
#           description: Values of ingressClassName whose Ingresses need no TLS, as that of a mesh that encrypts by itself.
#           type: array
#           items: {type: string, minLength: 1}
#           default: []
package portcullis.library.ingresses.tls_required

import data.portcullis.kubernetes

deny contains {"message": message, "field": "spec.tls"} if {
	some rule in kubernetes.object.spec.rules
	host := kubernetes.text(rule, "host")
	host != ""
	not encrypted(host)
	not exempt(host)
	message := sprintf("the host %s is served without TLS; add it to the hosts of an entry in spec.tls", [host])
}

deny contains {"message": message, "field": "spec.tls"} if {
	for_every_host
	not all_encrypted
	not exempt_class
	message := "the Ingress serves every host without TLS; name the hosts in spec.rules, or add an entry without hosts to spec.tls"
}

for_every_host if is_object(kubernetes.object.spec.defaultBackend)

for_every_host if {
	some rule in kubernetes.object.spec.rules
	kubernetes.text(rule, "host") == ""
}

all_encrypted if {
	some entry in kubernetes.object.spec.tls
	not entry.hosts[0]
}

encrypted(_) if all_encrypted

encrypted(host) if {
	some entry in kubernetes.object.spec.tls
	host in entry.hosts
}

encrypted(host) if {
	dot := indexof(host, ".")
	dot > 0
	some entry in kubernetes.object.spec.tls
	concat("", ["*", substring(host, dot, -1)]) in entry.hosts
}

exempt(host) if {
	some pattern in input.parameters.exemptHosts
	glob.match(pattern, null, host)
}

exempt(_) if exempt_class

exempt_class if kubernetes.object.spec.ingressClassName in input.parameters.exemptClasses
