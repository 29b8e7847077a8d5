# METADATA
# title: No shells in labelled pods
# description: >-
#   Nobody opens a shell in a Pod that holds card numbers or signs releases, wherever it runs. Such Pods have a label: exec,
#   attach and ephemeral containers are refused in them, except to members of exempt groups. A question about exec does not
#   show the Pod, so its labels are looked up among the cluster's; a Pod that is not known there is refused as well.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/security/rbac-good-practices/
#   description: RBAC good practices
# - ref: https://kubernetes.io/docs/concepts/workloads/pods/ephemeral-containers/
#   description: Ephemeral containers
# custom:
#   portcullis:
#     severity: high
#     match: {resources: [pods/exec, pods/attach, pods/ephemeralcontainers], operations: [CONNECT, UPDATE]}
#     data: [pods]
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         labels:
#           description: >-
#             The labels of Pods that nobody enters, with the value each has; one of them suffices. A star is any value.
#           type: object
#           minProperties: 1
#           propertyNames: {format: label-key}
#           additionalProperties: {type: string, anyOf: [{format: label-value}, {const: "*"}]}
#           default: {portcullis.dev/no-exec: "true"}
#         exemptGroups:
#           description: Groups whose members may enter all the same.
#           type: array
#           items: {type: string, minLength: 1}
#           default: []
#       examples:
#       - exemptGroups: [on-call]
package portcullis.library.pods.no_exec_labelled

import data.portcullis.kubernetes
import data.portcullis.users

deny contains message if {
	entered
	some key, value in input.parameters.labels
	labels[key] in star(value, labels[key])
	not users.of_group(input.parameters.exemptGroups)
	message := sprintf("nobody enters the Pod %q: it has the label %s=%s; use logs and metrics instead", [input.request.name, key, labels[key]])
}

deny contains message if {
	entered
	not labels
	not users.of_group(input.parameters.exemptGroups)
	message := sprintf("the labels of the Pod %q are not known yet, and nobody enters it before; try again in a moment", [input.request.name])
}

entered if {
	input.request.operation == "CONNECT"
	input.request.subResource in {"exec", "attach"}
}

entered if {
	input.request.operation == "UPDATE"
	input.request.subResource == "ephemeralcontainers"
}

# An update shows the Pod as it is.
labels := labels_of(kubernetes.old_object) if {
	input.request.operation == "UPDATE"
} else := labels_of(pod)

labels_of(of) := of.metadata.labels if {
	is_object(of.metadata.labels)
} else := {} if is_object(of)

pod := data.kubernetes.pods[input.request.namespace][input.request.name]

star("*", found) := {found}

star(value, _) := {value} if value != "*"
