# METADATA
# title: Namespaces say their Pod Security level
# description: >-
#   The Pod Security admission of Kubernetes enforces on the Pods of a namespace what its label says, and nothing without one. Every
#   namespace enforces at least the level of the parameter, so that there is a second wall behind this one.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/security/pod-security-admission/#pod-security-admission-labels-for-namespaces
#   description: Pod Security labels of namespaces
# custom:
#   portcullis:
#     severity: high
#     controls: [cis-1.9/5.2.1]
#     match: {resources: [namespaces]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         level:
#           description: The lowest level that will do.
#           type: string
#           enum: [baseline, restricted]
#           default: baseline
#         versionRequired:
#           description: >-
#             Whether the label enforce-version must be there too, so that a new version of Kubernetes brings no new rules unasked.
#           type: boolean
#           default: false
#         exemptNamespaces:
#           description: Namespaces that may have any level, in which a star stands for any text.
#           type: array
#           items: {type: string, format: namespace-glob}
#           default: [kube-system, kube-public, kube-node-lease]
package portcullis.library.namespaces.pod_security

import data.portcullis.kubernetes

deny contains {"message": message, "field": field("enforce")} if {
	level := object.get(kubernetes.labels, label("enforce"), "")
	not level in enough[input.parameters.level]
	not exempt
	message := sprintf("the namespace enforces %s; set its label %s to %s", [said(level), label("enforce"), input.parameters.level])
}

deny contains {"message": message, "field": field("enforce-version")} if {
	input.parameters.versionRequired
	object.get(kubernetes.labels, label("enforce-version"), "") == ""
	not exempt
	message := sprintf("the namespace does not say the version of its Pod Security level; set its label %s, as to v1.37", [
		label("enforce-version"),
	])
}

enough := {"baseline": {"baseline", "restricted"}, "restricted": {"restricted"}}

said("") := "no Pod Security level"

said(level) := sprintf("the Pod Security level %q", [level]) if level != ""

label(mode) := sprintf("pod-security.kubernetes.io/%s", [mode])

field(mode) := sprintf("metadata.labels[%q]", [label(mode)])

exempt if {
	is_string(kubernetes.object.metadata.name)
	some pattern in input.parameters.exemptNamespaces
	glob.match(pattern, null, kubernetes.object.metadata.name)
}
