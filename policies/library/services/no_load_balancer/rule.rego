# METADATA
# title: No load balancers of one's own
# description: >-
#   A Service of type LoadBalancer orders an address from the cloud, most often a public one, and pays for it. Traffic from
#   outside belongs to an Ingress or a Gateway, which checks it. Load balancers of the allowed classes may be had, and those with
#   one of the annotations by which the cloud makes them internal. Taking one of these away later is judged like a new one.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/services-networking/service/#loadbalancer
#   description: Services of type LoadBalancer
# - ref: https://kubernetes.io/docs/concepts/services-networking/service/#internal-load-balancer
#   description: Internal load balancers
# custom:
#   portcullis:
#     severity: medium
#     match: {resources: [services]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         annotations:
#           description: Annotations by which a load balancer is internal, one of which suffices.
#           type: array
#           items:
#             type: object
#             additionalProperties: false
#             required: [key, value]
#             properties:
#               key:
#                 description: The key of the annotation.
#                 type: string
#                 format: annotation-key
#               value:
#                 description: The value it must have.
#                 type: string
#           default: []
#         classes:
#           description: Values of loadBalancerClass that are allowed.
#           type: array
#           items: {type: string, minLength: 1}
#           default: []
#       examples:
#       - annotations:
#         - {key: networking.gke.io/load-balancer-type, value: Internal}
#         - {key: service.beta.kubernetes.io/azure-load-balancer-internal, value: "true"}
#         classes: [example.com/internal]
package portcullis.library.services.no_load_balancer

import data.portcullis.kubernetes

deny contains {"message": message, "field": "spec.type"} if {
	kubernetes.object.spec.type == "LoadBalancer"
	not kept_inside
	message := sprintf("the Service %s orders a load balancer; set spec.type to ClusterIP, and use an Ingress or a Gateway%s", [
		kubernetes.name,
		otherwise,
	])
}

kept_inside if {
	some annotation in input.parameters.annotations
	kubernetes.annotations[annotation.key] == annotation.value
}

kept_inside if kubernetes.object.spec.loadBalancerClass in input.parameters.classes

otherwise := "" if count(ways) == 0

otherwise := sprintf(", or set %s", [concat(" or ", ways)]) if count(ways) > 0

ways := array.concat(
	[sprintf("the annotation %s to %q", [annotation.key, annotation.value]) | some annotation in input.parameters.annotations],
	[sprintf("spec.loadBalancerClass to %s", [class]) | some class in input.parameters.classes],
)
