# METADATA
# title: Parts of /proc stay hidden
# description: >-
#   Container runtimes hide the parts of /proc by which a container could look at its node and change it. No container
#   may have them shown.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/
#   description: Pod Security Standards, baseline
# - ref: https://kubernetes.io/docs/concepts/workloads/pods/user-namespaces/
#   description: User namespaces
# custom:
#   portcullis:
#     severity: medium
#     controls: [pss/baseline]
#     match: {resources: [pods, workloads], changes: [pods]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         version:
#           description: >-
#             The version of the Pod Security Standards to judge by, as v1.30, or latest. Since v1.35 a Pod in a user
#             namespace of its own may have any.
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
package portcullis.library.pods.proc_mount

import data.portcullis.kubernetes
import data.portcullis.pod_security

deny contains {"message": message, "field": field} if {
	some entry in kubernetes.containers
	type := entry.container.securityContext.procMount
	not type in {"Default", null}
	not exempt
	field := sprintf("%s.securityContext.procMount", [entry.path])
	message := sprintf("%s %q has the procMount %v; set securityContext.procMount to Default", [entry.kind, entry.name, type])
}

exempt if {
	pod_security.in_user_namespace
	pod_security.since(input.parameters.version, 35)
}
