# METADATA
# title: SELinux confines containers
# description: >-
#   SELinux keeps containers from each other and from their node by labels. A Pod and its containers may choose among
#   the types that are made for containers, and no user and role of their own.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/
#   description: Pod Security Standards, baseline
# - ref: https://kubernetes.io/docs/tasks/configure-pod-container/security-context/#assign-selinux-labels-to-a-container
#   description: SELinux labels
# custom:
#   portcullis:
#     severity: medium
#     controls: [pss/baseline, pss/restricted, nsa/hardening-services]
#     match: {resources: [pods, workloads], changes: [pods]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         version:
#           description: >-
#             The version of the Pod Security Standards to judge by, as v1.30, or latest. Since v1.31 the type
#             container_engine_t is allowed.
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
package portcullis.library.pods.selinux

import data.portcullis.pod_security

deny contains {"message": message, "field": field} if {
	some holder in pod_security.holders
	type := holder.container.securityContext.seLinuxOptions.type
	not type in {"", "container_t", "container_init_t", "container_kvm_t", null}
	not engine(type)
	field := sprintf("%s.securityContext.seLinuxOptions.type", [holder.path])
	message := sprintf("%s has the SELinux type %v; use container_t, container_init_t or container_kvm_t", [
		pod_security.who(holder),
		type,
	])
}

deny contains {"message": message, "field": field} if {
	some holder in pod_security.holders
	options := holder.container.securityContext.seLinuxOptions
	some part in ["user", "role"]
	value := options[part]
	not value in {"", null}
	field := sprintf("%s.securityContext.seLinuxOptions.%s", [holder.path, part])
	message := sprintf("%s has the SELinux %s %v; remove seLinuxOptions.%s", [pod_security.who(holder), part, value, part])
}

engine(type) if {
	type == "container_engine_t"
	pod_security.since(input.parameters.version, 31)
}
