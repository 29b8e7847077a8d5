# METADATA
# title: Containers do not run as root
# description: >-
#   A process that runs as root in its container is root on the node once it breaks out. Every container must have
#   runAsNonRoot set to true, itself or by its Pod. Which users they run as is in pods.run_as_user.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/
#   description: Pod Security Standards, restricted
# - ref: https://kubernetes.io/docs/tasks/configure-pod-container/security-context/
#   description: Security contexts
# custom:
#   portcullis:
#     severity: medium
#     controls: [pss/restricted, cis-1.9/5.2.7, nsa/non-root-containers]
#     match: {resources: [pods, workloads], changes: [pods]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         version:
#           description: >-
#             The version of the Pod Security Standards to judge by, as v1.30, or latest. Since v1.35 Pods in a user
#             namespace of their own are left out.
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
package portcullis.library.pods.run_as_non_root

import data.portcullis.kubernetes
import data.portcullis.pod_security

deny contains {"message": message, "field": field} if {
	some holder in pod_security.holders
	holder.container.securityContext.runAsNonRoot == false
	not exempt
	field := sprintf("%s.securityContext.runAsNonRoot", [holder.path])
	message := sprintf("%s may run as root; set securityContext.runAsNonRoot to true", [pod_security.who(holder)])
}

deny contains {"message": message, "field": field} if {
	not kubernetes.pod_spec.securityContext.runAsNonRoot == true
	some entry in kubernetes.containers
	not says(entry.container)
	not exempt
	field := sprintf("%s.securityContext.runAsNonRoot", [entry.path])
	message := sprintf("%s %q may run as root; set securityContext.runAsNonRoot to true, there or for the Pod", [
		entry.kind,
		entry.name,
	])
}

says(container) if container.securityContext.runAsNonRoot != null

exempt if {
	pod_security.in_user_namespace
	pod_security.since(input.parameters.version, 35)
}
