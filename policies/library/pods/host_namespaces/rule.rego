# METADATA
# title: No namespaces of the host
# description: >-
#   A Pod in the network, process or IPC namespace of its node sees the traffic, the processes and the memory of
#   everything else on that node.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/
#   description: Pod Security Standards, baseline
# custom:
#   portcullis:
#     severity: high
#     controls: [pss/baseline, pss/restricted, cis-1.9/5.2.3, cis-1.9/5.2.4, cis-1.9/5.2.5, nsa/host-namespaces]
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
package portcullis.library.pods.host_namespaces

import data.portcullis.kubernetes

deny contains {"message": message, "field": path} if {
	some field in ["hostNetwork", "hostPID", "hostIPC"]
	kubernetes.pod_spec[field] == true
	path := sprintf("%s.%s", [kubernetes.pod_spec_path, field])
	message := sprintf("%s shares a namespace of the node; remove it", [field])
}
