# METADATA
# title: Seccomp is on
# description: >-
#   Seccomp keeps a container from system calls it does not need. Every container must have the profile of the container
#   runtime or one of the node, itself or by its Pod.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/
#   description: Pod Security Standards, restricted
# - ref: https://kubernetes.io/docs/tutorials/security/seccomp/
#   description: Seccomp
# custom:
#   portcullis:
#     severity: medium
#     controls: [pss/restricted, cis-1.9/5.7.2, nsa/hardening-services]
#     match: {resources: [pods, workloads], changes: [pods]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         version:
#           description: >-
#             The version of the Pod Security Standards to judge by, as v1.30, or latest. Before v1.19 the rule is that
#             of pods.seccomp_baseline, whose place it takes, and since v1.25 Pods for Windows are left out.
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
package portcullis.library.pods.seccomp_restricted

import data.portcullis.kubernetes
import data.portcullis.pod_security

deny contains {"message": message, "field": field} if {
	some holder in pod_security.holders
	profile := holder.container.securityContext.seccompProfile
	profile != null
	not confines(profile)
	judged
	field := sprintf("%s.securityContext.seccompProfile.type", [holder.path])
	message := sprintf("%s has the seccomp profile %q; set securityContext.seccompProfile.type to RuntimeDefault or Localhost", [
		pod_security.who(holder),
		kubernetes.text(profile, "type"),
	])
}

deny contains {"message": message, "field": field} if {
	not confined_pod
	some entry in kubernetes.containers
	not says(entry.container)
	judged
	field := sprintf("%s.securityContext.seccompProfile.type", [entry.path])
	message := sprintf("%s %q has no seccomp profile; set securityContext.seccompProfile.type to RuntimeDefault or Localhost, there or for the Pod", [
		entry.kind,
		entry.name,
	])
}

confined_pod if confines(kubernetes.pod_spec.securityContext.seccompProfile)

says(container) if container.securityContext.seccompProfile != null

confines(profile) if profile.type in {"RuntimeDefault", "Localhost"}

judged if {
	pod_security.since(input.parameters.version, 19)
	not exempt
}

exempt if {
	pod_security.windows
	pod_security.since(input.parameters.version, 25)
}

# Before v1.19 annotations say it.
deny contains {"message": message, "field": field} if {
	some key in annotations
	profile := kubernetes.pod_annotations[key]
	not allowed(profile)
	not pod_security.since(input.parameters.version, 19)
	field := pod_security.annotation(key)
	message := sprintf("the annotation %s asks for the seccomp profile %q; set it to runtime/default", [key, profile])
}

annotations contains "seccomp.security.alpha.kubernetes.io/pod" if count(kubernetes.pod_annotations) > 0

annotations contains key if {
	count(kubernetes.pod_annotations) > 0
	some entry in kubernetes.containers
	key := concat("", ["container.seccomp.security.alpha.kubernetes.io/", entry.name])
}

allowed(profile) if profile in {"runtime/default", "docker/default"}

allowed(profile) if {
	is_string(profile)
	startswith(profile, "localhost/")
}
