# METADATA
# title: No ports of nodes
# description: >-
#   A node port is open on every node of the cluster, for whoever can reach one, past Ingresses and all they check. Services of
#   type NodePort are refused, and those of type LoadBalancer unless allocateLoadBalancerNodePorts is false, where the parameter says so.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/services-networking/service/#type-nodeport
#   description: Services of type NodePort
# - ref: https://kubernetes.io/docs/concepts/services-networking/service/#load-balancer-nodeport-allocation
#   description: Load balancers without node ports
# custom:
#   portcullis:
#     severity: medium
#     match: {resources: [services]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         loadBalancers:
#           description: Whether Services of type LoadBalancer are judged as well. Not every load balancer can do without node ports.
#           type: boolean
#           default: false
#         allowedPorts:
#           description: Node ports that may be opened, where they are asked for by number.
#           type: array
#           items: {type: integer, minimum: 1, maximum: 65535}
#           default: []
package portcullis.library.services.no_node_port

import data.portcullis.kubernetes

deny contains {"message": message, "field": "spec.type"} if {
	kubernetes.object.spec.type == "NodePort"
	not allowed
	message := sprintf("the Service %s opens a port on every node; set spec.type to ClusterIP, and use an Ingress or a Gateway", [
		kubernetes.name,
	])
}

deny contains {"message": message, "field": "spec.allocateLoadBalancerNodePorts"} if {
	input.parameters.loadBalancers
	kubernetes.object.spec.type == "LoadBalancer"
	not unallocated
	not allowed
	message := sprintf("the Service %s opens a port on every node; set spec.allocateLoadBalancerNodePorts to false", [
		kubernetes.name,
	])
}

unallocated if kubernetes.object.spec.allocateLoadBalancerNodePorts == false

# Every port is asked for by number, and each may be had.
allowed if {
	kubernetes.object.spec.ports[0]
	every port in kubernetes.object.spec.ports {
		port.nodePort in input.parameters.allowedPorts
	}
}
