# METADATA
# title: Safe defaults for pods
# description: >-
#   Kubernetes starts a pod with more rights than it needs unless its author says otherwise. Whatever the author left open is
#   set: the seccomp profile of the runtime, no gain of privileges, no capabilities, no root. What is there stays, and nothing
#   is set that would contradict it: no runAsNonRoot for a container with user 0 or in a user namespace, nothing for a
#   privileged container. Of Pods for Windows, which say so in os or in their node selector, only runAsNonRoot is set, and not
#   beside an account of their own. Pods are edited and not their workloads, so that what is in Git and what is in the
#   cluster stay the same.
# related_resources:
# - ref: https://kubernetes.io/docs/tasks/configure-pod-container/security-context/
#   description: Security contexts
# - ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/
#   description: Pod Security Standards, restricted
# custom:
#   portcullis:
#     severity: medium
#     controls: [pss/restricted, cis-1.9/5.7.2, cis-1.9/5.7.3]
#     match: {resources: [pods]}
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
#         dropCapabilities:
#           description: >-
#             Whether to drop all capabilities of containers that do not ask for the user 0 and do not say what to drop.
#           type: boolean
#           default: true
package portcullis.library.pods.default_security_context

import data.portcullis.kubernetes

mutate contains {"default": path, "value": {"type": input.parameters.seccompProfile}} if {
	input.parameters.seccompProfile != ""
	open
	linux
	path := array.concat(pod_spec_segments, ["securityContext", "seccompProfile"])
}

mutate contains {"default": path, "value": true} if {
	input.parameters.runAsNonRoot
	open
	not root
	not in_user_namespace
	path := array.concat(pod_spec_segments, ["securityContext", "runAsNonRoot"])
}

# Where it cannot be said of the Pod, it is said of each container that it is right for.
mutate contains {"default": path, "value": true} if {
	input.parameters.runAsNonRoot
	apart
	not in_user_namespace
	object.get(kubernetes.pod_spec, ["securityContext", "runAsNonRoot"], null) == null
	some [path_of, container] in fresh
	not as_root(container)
	path := array.concat(path_of, ["securityContext", "runAsNonRoot"])
}

mutate contains {"default": path, "value": false} if {
	input.parameters.forbidPrivilegeEscalation
	linux
	some [path_of, container] in fresh
	not privileged(container)
	path := array.concat(path_of, ["securityContext", "allowPrivilegeEscalation"])
}

mutate contains {"default": path, "value": ["ALL"]} if {
	input.parameters.dropCapabilities
	linux
	some [path_of, container] in fresh
	not as_root(container)
	not privileged(container)
	path := array.concat(path_of, ["securityContext", "capabilities", "drop"])
}

# A Pod that exists keeps what it has: Kubernetes lets none of this be changed, but ephemeral containers be added.
open if {
	kubernetes.pod_spec
	not stands
}

stands if {
	input.request.kind.kind == "Pod"
	input.request.operation == "UPDATE"
}

apart if stands

apart if root

fresh contains [path, container] if {
	open
	some field in ["initContainers", "containers", "ephemeralContainers"]
	some container in kubernetes.pod_spec[field]
	path := array.concat(pod_spec_segments, [field, {"name": container.name}])
}

fresh contains [path, container] if {
	stands
	some container in kubernetes.pod_spec.ephemeralContainers
	not container.name in old_names
	path := ["spec", "ephemeralContainers", {"name": container.name}]
}

old_names contains kubernetes.old_object.spec.ephemeralContainers[_].name

pod_spec_segments := split(kubernetes.pod_spec_path, ".")

# Kubernetes refuses these fields in pods that say they are for Windows.
linux if {
	object.get(kubernetes.pod_spec, ["os", "name"], "linux") == "linux"
	not kubernetes.pod_spec.nodeSelector["kubernetes.io/os"] == "windows"
}

in_user_namespace if kubernetes.pod_spec.hostUsers == false

# Whether somebody in the Pod asks for root.
root if as_root(kubernetes.pod_spec)

root if {
	some entry in kubernetes.containers
	as_root(entry.container)
}

as_root(container) if user_of(container) == 0

# What an account of Windows may do is in its name alone.
as_root(container) if {
	some of in [container, kubernetes.pod_spec]
	some option in ["runAsUserName", "hostProcess"]
	value := of.securityContext.windowsOptions[option]
	not value in {"", false, null}
}

user_of(container) := id if {
	id := container.securityContext.runAsUser
	id != null
} else := kubernetes.pod_spec.securityContext.runAsUser

# Kubernetes refuses to forbid these two the gain of privileges.
privileged(container) if container.securityContext.privileged == true

privileged(container) if {
	some capability in container.securityContext.capabilities.add
	capability in {"SYS_ADMIN", "CAP_SYS_ADMIN"}
}
