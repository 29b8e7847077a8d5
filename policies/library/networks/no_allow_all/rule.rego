# METADATA
# title: NetworkPolicies do not allow everything
# description: >-
#   NetworkPolicies add up: one rule for everybody undoes what all others keep out. A rule names with whom its Pods speak, and not all
#   addresses, as 0.0.0.0/0 or a few halves of it, nor all Pods of the cluster. Rules for ports of the parameter alone, as that of
#   DNS, may.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/services-networking/network-policies/
#   description: Network policies
# custom:
#   portcullis:
#     severity: medium
#     controls: [nsa/network-policies]
#     match: {resources: [networkpolicies.networking.k8s.io]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         directions:
#           description: Whose rules are judged, those of ingress, egress or both.
#           type: array
#           minItems: 1
#           items: {type: string, enum: [ingress, egress]}
#           default: [ingress, egress]
#         shortestPrefix:
#           description: How long the prefix of an address block must be at least; 8 allows 10.0.0.0/8 and no larger one.
#           type: integer
#           minimum: 1
#           maximum: 128
#           default: 8
#         allowCluster:
#           description: >-
#             Whether a rule may name all Pods of the cluster, by a namespaceSelector that is empty, that only says which labels are not
#             there, or that asks for the label every namespace has.
#           type: boolean
#           default: false
#         openPorts:
#           description: Ports for which a rule may allow everything, if it is for these alone.
#           type: array
#           items: {type: integer, minimum: 1, maximum: 65535}
#           default: [53]
package portcullis.library.networks.no_allow_all

import data.portcullis.kubernetes
import data.portcullis.selectors

deny contains {"message": message, "field": field} if {
	some direction in input.parameters.directions
	some i, rule in kubernetes.object.spec[direction]
	not rule[peers[direction]][0]
	not open(rule)
	field := sprintf("spec.%s[%d]", [direction, i])
	message := sprintf("the %s rule is for everybody; name Pods, namespaces or addresses in %s", [direction, peers[direction]])
}

deny contains {"message": message, "field": field} if {
	some direction in input.parameters.directions
	some i, rule in kubernetes.object.spec[direction]
	some j, peer in rule[peers[direction]]
	cidr := peer.ipBlock.cidr
	not narrow(cidr)
	not open(rule)
	field := sprintf("spec.%s[%d].%s[%d].ipBlock.cidr", [direction, i, peers[direction], j])
	message := sprintf("the addresses %s are too many; name blocks with a prefix of %d at least", [cidr, input.parameters.shortestPrefix])
}

deny contains {"message": message, "field": field} if {
	not input.parameters.allowCluster
	some direction in input.parameters.directions
	some i, rule in kubernetes.object.spec[direction]
	some j, peer in rule[peers[direction]]
	whole_cluster(peer)
	not open(rule)
	field := sprintf("spec.%s[%d].%s[%d].namespaceSelector", [direction, i, peers[direction], j])
	message := sprintf("the %s rule is for all Pods of the cluster; name namespaces in namespaceSelector, or Pods beside it", [direction])
}

peers := {"ingress": "from", "egress": "to"}

narrow(cidr) if {
	is_string(cidr)
	to_number(split(cidr, "/")[1]) >= input.parameters.shortestPrefix
}

whole_cluster(peer) if {
	is_object(peer.namespaceSelector)
	not names_namespaces(peer.namespaceSelector)
	not names_pods(peer)
}

names_pods(peer) if selectors.requires_label(peer.podSelector)

names_namespaces(selector) if selector.matchLabels[_]

names_namespaces(selector) if {
	some requirement in selector.matchExpressions
	selectors.requires_label({"matchExpressions": [requirement]})
	not every_namespace(requirement)
}

# Every namespace has the label with its name.
every_namespace(requirement) if {
	requirement.key == "kubernetes.io/metadata.name"
	requirement.operator == "Exists"
}

# A port that is named, or a range, is not known to be one of these.
open(rule) if {
	rule.ports[0]
	every port in rule.ports {
		port.port in input.parameters.openPorts
		object.get(port, "endPort", port.port) == port.port
	}
}
