# METADATA
# title: No external addresses
# description: >-
#   Nobody checks whose the addresses in externalIPs are: every node sends what is meant for them to the Service, so that
#   whoever may create Services can read the traffic of others (CVE-2020-8554). Addresses of the parameter are allowed, and
#   those that a Service has already may stay until they are removed. The same can be done through the status of a load
#   balancer: do not grant the right to patch services/status.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/services-networking/service/#external-ips
#   description: External IPs
# - ref: https://github.com/kubernetes/kubernetes/issues/97076
#   description: CVE-2020-8554
# - ref: https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#denyserviceexternalips
#   description: DenyServiceExternalIPs
# custom:
#   portcullis:
#     severity: high
#     controls: [cis-1.9/1.2.3]
#     match: {resources: [services]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         allowed:
#           description: Blocks of addresses that may be used, as 203.0.113.0/28 or 203.0.113.7/32.
#           type: array
#           items: {type: string, format: cidr}
#           default: []
package portcullis.library.services.external_ips

import data.portcullis.kubernetes

deny contains {"message": message, "field": field} if {
	some i, address in kubernetes.object.spec.externalIPs
	not kept(address)
	not allowed(address)
	field := sprintf("spec.externalIPs[%d]", [i])
	message := sprintf("the Service %s takes the traffic of the address %v; remove it from spec.externalIPs", [
		kubernetes.name,
		address,
	])
}

kept(address) if {
	kubernetes.operation == "UPDATE"
	address in kubernetes.old_object.spec.externalIPs
}

allowed(address) if {
	some block in input.parameters.allowed
	net.cidr_contains(block, address)
}
