# METADATA
# title: Parts of /proc stay hidden, in user namespaces too
# description: >-
#   Container runtimes hide the parts of /proc by which a container could look at its node and change it. No container
#   may have them shown, not in a user namespace either, where pods.proc_mount lets it.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/
#   description: Pod Security Standards, restricted
# custom:
#   portcullis:
#     severity: medium
#     controls: [pss/restricted]
#     match: {resources: [pods, workloads], changes: [pods]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         version:
#           description: >-
#             The version of the Pod Security Standards to judge by, as v1.30, or latest. This rule takes the place of
#             pods.proc_mount, from which it differs since v1.35.
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
package portcullis.library.pods.proc_mount_restricted

import data.portcullis.kubernetes

deny contains {"message": message, "field": field} if {
	some entry in kubernetes.containers
	type := entry.container.securityContext.procMount
	not type in {"Default", null}
	field := sprintf("%s.securityContext.procMount", [entry.path])
	message := sprintf("%s %q has the procMount %v; set securityContext.procMount to Default", [entry.kind, entry.name, type])
}
