# METADATA
# title: Safe defaults for pods
# description: >-
#   Kubernetes starts a pod with more rights than it needs unless its author says otherwise. Whatever the author left open is
#   set: the seccomp profile of the runtime, no gain of privileges, no root. What is there stays, and nothing is set
#   that would contradict it: no runAsNonRoot beside a user 0, no allowPrivilegeEscalation beside a privileged container.
# related_resources:
# - ref: https://kubernetes.io/docs/tasks/configure-pod-container/security-context/
#   description: Security contexts
# custom:
#   portcullis:
#     severity: medium
#     controls: [pss/restricted, cis-1.9/5.7.2, cis-1.9/5.7.3]
#     match: {resources: [pods], operations: [CREATE]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         seccompProfile:
#           description: The type of the seccomp profile to set; an empty text sets none.
#           type: string
#           enum: ["", RuntimeDefault, Unconfined]
#           default: RuntimeDefault
#         runAsNonRoot:
#           description: >-
#             Whether to set runAsNonRoot, with which a container whose image runs as root does not start.
#           type: boolean
#           default: true
#         forbidPrivilegeEscalation:
#           description: Whether to set allowPrivilegeEscalation to false.
#           type: boolean
#           default: true
package portcullis.library.pods.default_security_context

import data.portcullis.kubernetes

mutate contains {"default": path, "value": {"type": input.parameters.seccompProfile}} if {
	input.parameters.seccompProfile != ""
	linux
	path := array.concat(pod_spec_segments, ["securityContext", "seccompProfile"])
}

mutate contains {"default": path, "value": true} if {
	input.parameters.runAsNonRoot
	kubernetes.pod_spec
	not root
	path := array.concat(pod_spec_segments, ["securityContext", "runAsNonRoot"])
}

mutate contains {"default": path, "value": false} if {
	input.parameters.forbidPrivilegeEscalation
	linux
	some field in ["initContainers", "containers"]
	some container in kubernetes.pod_spec[field]
	not privileged(container)
	path := array.concat(pod_spec_segments, [field, {"name": container.name}, "securityContext", "allowPrivilegeEscalation"])
}

pod_spec_segments := split(kubernetes.pod_spec_path, ".")

# Kubernetes refuses these fields in pods that say they are for Windows.
linux if object.get(kubernetes.pod_spec, ["os", "name"], "linux") == "linux"

root if kubernetes.pod_spec.securityContext.runAsUser == 0

root if {
	some entry in kubernetes.containers
	entry.container.securityContext.runAsUser == 0
}

# Kubernetes refuses to forbid these two the gain of privileges.
privileged(container) if container.securityContext.privileged == true

privileged(container) if {
	some capability in container.securityContext.capabilities.add
	trim_prefix(capability, "CAP_") == "SYS_ADMIN"
}
