# METADATA
# title: Capabilities are dropped
# description: >-
#   Linux capabilities are pieces of root. Every container must drop all of them, and may add back NET_BIND_SERVICE
#   alone.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/
#   description: Pod Security Standards, restricted
# - ref: https://kubernetes.io/docs/tasks/configure-pod-container/security-context/#set-capabilities-for-a-container
#   description: Capabilities of a container
# custom:
#   portcullis:
#     severity: medium
#     controls: [pss/restricted, cis-1.9/5.2.8, cis-1.9/5.2.9, cis-1.9/5.2.10]
#     match: {resources: [pods, workloads], changes: [pods]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         version:
#           description: >-
#             The version of the Pod Security Standards to judge by, as v1.30, or latest. Before v1.22 the rule is that
#             of pods.capabilities_baseline, whose place it takes, and since v1.25 Pods for Windows are left out.
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
package portcullis.library.pods.capabilities_restricted

import data.portcullis.kubernetes
import data.portcullis.pod_security

deny contains {"message": message, "field": field} if {
	some entry in kubernetes.containers
	not drops_all(entry.container)
	pod_security.since(input.parameters.version, 22)
	not exempt
	field := sprintf("%s.securityContext.capabilities.drop", [entry.path])
	message := sprintf("%s %q does not drop the capability ALL; add it to securityContext.capabilities.drop", [
		entry.kind,
		entry.name,
	])
}

deny contains {"message": message, "field": field} if {
	some entry in kubernetes.containers
	some i, capability in entry.container.securityContext.capabilities.add
	capability != "NET_BIND_SERVICE"
	not usual(capability)
	not exempt
	field := sprintf("%s.securityContext.capabilities.add[%d]", [entry.path, i])
	message := sprintf("%s %q adds the capability %v; remove it from securityContext.capabilities.add", [
		entry.kind,
		entry.name,
		capability,
	])
}

drops_all(container) if "ALL" in container.securityContext.capabilities.drop

exempt if {
	pod_security.windows
	pod_security.since(input.parameters.version, 25)
}

# What pods.capabilities_baseline lets be added.
usual(capability) if {
	not pod_security.since(input.parameters.version, 22)
	capability in {
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
}
