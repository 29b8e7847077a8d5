# METADATA
# title: Containers do not run as root
# description: >-
#   A process that runs as root in its container is root on the node once it breaks out. Every container must have
#   runAsNonRoot set to true, itself or by its pod, and no user may be 0.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/
#   description: Pod Security Standards, restricted
# custom:
#   portcullis:
#     severity: medium
#     controls: [pss/restricted, cis-1.9/5.2.7]
#     match: {resources: [pods, workloads]}
package portcullis.library.pods.run_as_non_root

import data.portcullis.kubernetes

deny contains {"message": message, "field": field} if {
	some entry in kubernetes.containers
	not non_root(entry.container)
	field := sprintf("%s.securityContext.runAsNonRoot", [entry.path])
	message := sprintf("%s %q may run as root; set securityContext.runAsNonRoot to true", [entry.kind, entry.name])
}

deny contains {"message": message, "field": field} if {
	some entry in kubernetes.containers
	entry.container.securityContext.runAsUser == 0
	field := sprintf("%s.securityContext.runAsUser", [entry.path])
	message := sprintf("%s %q runs as root; set securityContext.runAsUser to another user than 0", [entry.kind, entry.name])
}

deny contains {"message": message, "field": field} if {
	kubernetes.pod_spec.securityContext.runAsNonRoot == false
	field := sprintf("%s.securityContext.runAsNonRoot", [kubernetes.pod_spec_path])
	message := "the pod may run as root; set securityContext.runAsNonRoot to true"
}

deny contains {"message": message, "field": field} if {
	kubernetes.pod_spec.securityContext.runAsUser == 0
	field := sprintf("%s.securityContext.runAsUser", [kubernetes.pod_spec_path])
	message := "the pod runs as root; set securityContext.runAsUser to another user than 0"
}

non_root(container) if container.securityContext.runAsNonRoot == true

non_root(container) if {
	object.get(container, ["securityContext", "runAsNonRoot"], null) == null
	kubernetes.pod_spec.securityContext.runAsNonRoot == true
}
