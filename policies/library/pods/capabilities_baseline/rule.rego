# METADATA
# title: No capabilities beyond the usual
# description: >-
#   Linux capabilities are pieces of root. A container may add those that container runtimes give anyway, except for
#   NET_RAW, and no others.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/
#   description: Pod Security Standards, baseline
# - ref: https://kubernetes.io/docs/tasks/configure-pod-container/security-context/#set-capabilities-for-a-container
#   description: Capabilities of a container
# custom:
#   portcullis:
#     severity: high
#     controls: [pss/baseline, cis-1.9/5.2.9]
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
package portcullis.library.pods.capabilities_baseline

import data.portcullis.kubernetes

deny contains {"message": message, "field": field} if {
	some entry in kubernetes.containers
	some i, capability in entry.container.securityContext.capabilities.add
	not capability in usual
	field := sprintf("%s.securityContext.capabilities.add[%d]", [entry.path, i])
	message := sprintf("%s %q adds the capability %v; remove it from securityContext.capabilities.add", [
		entry.kind,
		entry.name,
		capability,
	])
}

usual := {
	"AUDIT_WRITE",
	"CHOWN",
	"DAC_OVERRIDE",
	"FOWNER",
	"FSETID",
	"KILL",
	"MKNOD",
	"NET_BIND_SERVICE",
	"SETFCAP",
	"SETGID",
	"SETPCAP",
	"SETUID",
	"SYS_CHROOT",
}
