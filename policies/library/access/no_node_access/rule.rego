# METADATA
# title: Nobody goes to nodes directly
# description: >-
#   Whoever reaches a kubelet by nodes/proxy runs commands in every Pod of the node, past admission and past the audit log, and
#   reading is enough for it: a WebSocket opens with get. The subresources of nodes in the parameter are refused to everybody but
#   those excepted, by default the API server itself, for which the kubelet asks before each log and each shell. Metrics stay
#   readable. It does not stop who may impersonate those excepted.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/security/rbac-good-practices/#access-to-proxy-subresource-of-nodes
#   description: Access to nodes/proxy
# - ref: https://kubernetes.io/docs/reference/access-authn-authz/kubelet-authn-authz/
#   description: Authorization of the kubelet
# custom:
#   portcullis:
#     severity: critical
#     match:
#       stage: guard
#       resources:
#       - nodes/proxy
#       - nodes/checkpoint
#       - nodes/configz
#       - nodes/healthz
#       - nodes/log
#       - nodes/metrics
#       - nodes/pods
#       - nodes/spec
#       - nodes/stats
#       operations: ["*"]
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         subresources:
#           description: The subresources of nodes that are refused.
#           type: array
#           minItems: 1
#           items: {type: string, enum: [proxy, checkpoint, configz, healthz, log, metrics, pods, spec, stats]}
#           default: [proxy, checkpoint, configz, log, pods]
#         exceptUsers:
#           description: Users who may reach nodes all the same.
#           type: array
#           items: {type: string, minLength: 1}
#           default: [kube-apiserver-kubelet-client, kube-apiserver, "system:apiserver"]
#         exceptGroups:
#           description: Groups whose members may reach nodes all the same.
#           type: array
#           items: {type: string, minLength: 1}
#           default: []
package portcullis.library.access.no_node_access

import data.portcullis.kubernetes
import data.portcullis.users

deny contains message if {
	attributes.resource in {"nodes", "*"}
	object.get(attributes, "group", "") in {"", "*"}
	some subresource in input.parameters.subresources
	attributes.subresource in {subresource, "*"}
	not excepted
	message := sprintf("%s may not reach nodes by nodes/%s; use the Pods' own logs, exec and metrics", [kubernetes.username, subresource])
}

attributes := input.spec.resourceAttributes

excepted if kubernetes.username in input.parameters.exceptUsers

excepted if users.of_group(input.parameters.exceptGroups)
