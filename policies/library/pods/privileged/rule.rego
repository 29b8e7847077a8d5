# METADATA
# title: Privileged containers are refused
# description: >-
#   A privileged container holds every capability of its node and sees all its devices, so whoever controls the
#   container controls the node. Containers of every kind are checked, in Pods and in the templates of workloads.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/
#   description: Pod Security Standards, baseline
# custom:
#   portcullis:
#     severity: high
#     controls: [pss/baseline, pss/restricted, cis-1.9/5.2.2, nsa/privileged-containers]
#     match: {resources: [pods, workloads], changes: [pods]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         exemptImages:
#           description: Images whose containers may be privileged, as globs in which a star stands for any text.
#           type: array
#           items: {type: string, pattern: "^[a-zA-Z0-9._:/@*-]+$"}
#           default: []
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
package portcullis.library.pods.privileged

import data.portcullis.kubernetes

deny contains {"message": message, "field": field} if {
	some entry in kubernetes.containers
	entry.container.securityContext.privileged == true
	not exempt(entry.container)
	field := sprintf("%s.securityContext.privileged", [entry.path])
	message := sprintf("%s %q is privileged; remove securityContext.privileged", [entry.kind, entry.name])
}

exempt(container) if {
	some pattern in input.parameters.exemptImages
	glob.match(pattern, null, container.image)
}
