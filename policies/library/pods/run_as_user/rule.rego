# METADATA
# title: Nobody is user 0
# description: >-
#   User 0 is root, whatever the image says. Neither a Pod nor a container may ask to run as it.
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
#             The version of the Pod Security Standards to judge by, as v1.30, or latest. The rule is there since v1.23,
#             and since v1.35 Pods in a user namespace of their own are left out.
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
package portcullis.library.pods.run_as_user

import data.portcullis.pod_security

deny contains {"message": message, "field": field} if {
	some holder in pod_security.holders
	holder.container.securityContext.runAsUser == 0
	pod_security.since(input.parameters.version, 23)
	not exempt
	field := sprintf("%s.securityContext.runAsUser", [holder.path])
	message := sprintf("%s runs as root; set securityContext.runAsUser to another user than 0", [pod_security.who(holder)])
}

exempt if {
	pod_security.in_user_namespace
	pod_security.since(input.parameters.version, 35)
}
