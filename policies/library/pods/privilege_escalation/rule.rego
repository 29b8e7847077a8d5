# METADATA
# title: No gain of privileges
# description: >-
#   A process can gain privileges its parent does not have, by setuid binaries for one. Every container must set
#   allowPrivilegeEscalation to false.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/
#   description: Pod Security Standards, restricted
# - ref: https://kubernetes.io/docs/tasks/configure-pod-container/security-context/
#   description: Security contexts
# custom:
#   portcullis:
#     severity: medium
#     controls: [pss/restricted, cis-1.9/5.2.6, nsa/privilege-escalation]
#     match: {resources: [pods, workloads], changes: [pods]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         version:
#           description: >-
#             The version of the Pod Security Standards to judge by, as v1.30, or latest. The rule is there since v1.8,
#             and since v1.25 Pods for Windows are left out.
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
package portcullis.library.pods.privilege_escalation

import data.portcullis.kubernetes
import data.portcullis.pod_security

deny contains {"message": message, "field": field} if {
	some entry in kubernetes.containers
	not entry.container.securityContext.allowPrivilegeEscalation == false
	pod_security.since(input.parameters.version, 8)
	not exempt
	field := sprintf("%s.securityContext.allowPrivilegeEscalation", [entry.path])
	message := sprintf("%s %q may gain privileges; set securityContext.allowPrivilegeEscalation to false", [
		entry.kind,
		entry.name,
	])
}

exempt if {
	pod_security.windows
	pod_security.since(input.parameters.version, 25)
}
