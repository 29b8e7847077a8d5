# METADATA
# title: No ports of the host
# description: >-
#   A hostPort opens a port of the node itself: it is reached past the network policies of the Pod, and no other Pod
#   there can have it.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/
#   description: Pod Security Standards, baseline
# custom:
#   portcullis:
#     severity: medium
#     controls: [pss/baseline, pss/restricted, cis-1.9/5.2.13]
#     match: {resources: [pods, workloads], changes: [pods]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         version:
#           description: >-
#             The version of the Pod Security Standards to judge by, as v1.30, or latest. This rule has been the same in
#             all of them.
#           type: string
#           pattern: '^(latest|v1\.(0|[1-9][0-9]*))$'
#           default: latest
#         podTemplates:
#           description: >-
#             Where custom resources have their Pod template, by resource and group, as in {"rollouts.argoproj.io":
#             "spec.template"}.
#           type: object
#           propertyNames: {format: resource}
#           additionalProperties: {type: string, pattern: '^[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*$'}
#           default: {}
package portcullis.library.pods.host_ports

import data.portcullis.kubernetes

deny contains {"message": message, "field": field} if {
	some entry in kubernetes.containers
	some i, port in entry.container.ports
	port.hostPort != 0
	port.hostPort != null
	field := sprintf("%s.ports[%d].hostPort", [entry.path, i])
	message := sprintf("%s %q takes the port %v of its node; remove hostPort", [entry.kind, entry.name, port.hostPort])
}
