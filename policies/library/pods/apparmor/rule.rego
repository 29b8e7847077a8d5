# METADATA
# title: AppArmor stays on
# description: >-
#   AppArmor keeps a container from what its profile does not foresee. The profile must be that of the container runtime
#   or one of the node, for the Pod and for each container, whether said in the security context or by the annotations
#   it was said by before.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/
#   description: Pod Security Standards, baseline
# - ref: https://kubernetes.io/docs/tutorials/security/apparmor/
#   description: AppArmor
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
package portcullis.library.pods.apparmor

import data.portcullis.kubernetes
import data.portcullis.pod_security

deny contains {"message": message, "field": field} if {
	some holder in pod_security.holders
	profile := holder.container.securityContext.appArmorProfile
	profile != null
	not confines(profile)
	field := sprintf("%s.securityContext.appArmorProfile.type", [holder.path])
	message := sprintf("%s has the AppArmor profile %q; set securityContext.appArmorProfile.type to RuntimeDefault or Localhost", [
		pod_security.who(holder),
		kubernetes.text(profile, "type"),
	])
}

deny contains {"message": message, "field": field} if {
	some key, profile in kubernetes.pod_annotations
	startswith(key, "container.apparmor.security.beta.kubernetes.io/")
	not allowed(profile)
	field := pod_security.annotation(key)
	message := sprintf("the annotation %s asks for the AppArmor profile %q; set it to runtime/default, or remove it", [key, profile])
}

confines(profile) if profile.type in {"RuntimeDefault", "Localhost"}

allowed(profile) if profile in {"", "runtime/default", null}

allowed(profile) if {
	is_string(profile)
	startswith(profile, "localhost/")
}
