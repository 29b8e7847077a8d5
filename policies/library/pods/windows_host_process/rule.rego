# METADATA
# title: No host processes on Windows
# description: >-
#   A host process container of Windows runs on the node itself, with the rights of the user it names. Neither a Pod nor
#   a container may ask for it.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/
#   description: Pod Security Standards, baseline
# - ref: https://kubernetes.io/docs/tasks/configure-pod-container/create-hostprocess-pod/
#   description: Host processes
# custom:
#   portcullis:
#     severity: high
#     controls: [pss/baseline, pss/restricted, cis-1.9/5.2.11]
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
package portcullis.library.pods.windows_host_process

import data.portcullis.pod_security

deny contains {"message": message, "field": field} if {
	some holder in pod_security.holders
	holder.container.securityContext.windowsOptions.hostProcess == true
	field := sprintf("%s.securityContext.windowsOptions.hostProcess", [holder.path])
	message := sprintf("%s runs on the node itself; remove securityContext.windowsOptions.hostProcess", [pod_security.who(holder)])
}
