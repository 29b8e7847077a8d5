# METADATA
# title: Deletion protection
# description: >-
#   An object with the protecting annotation, or with a label of the parameter, cannot be deleted. Taking it off is a separate
#   update by design: a mistaken command deletes, but does not first edit. What is being deleted already is not held back. Objects in a protected namespace are not protected by it, and a
#   namespace that is deleted keeps waiting for protected objects in it. Pods that are evicted are not deleted by a user and
#   are not held back.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/overview/working-with-objects/annotations/
#   description: Annotations
# custom:
#   portcullis:
#     severity: medium
#     match:
#       resources:
#       - configmaps
#       - customresourcedefinitions.apiextensions.k8s.io
#       - namespaces
#       - persistentvolumeclaims
#       - persistentvolumes
#       - secrets
#       - services
#       - workloads
#       operations: [DELETE]
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         annotation:
#           description: The annotation that protects an object when its value is "true".
#           type: string
#           format: annotation-key
#           default: portcullis.dev/protected
#         labels:
#           description: Labels that protect an object, too; any of them does, when it has this value.
#           type: object
#           propertyNames: {format: label-key}
#           additionalProperties: {type: string, format: label-value}
#           default: {}
#       examples:
#       - labels: {tier: critical}
package portcullis.library.metadata.deletion_protection

import data.portcullis.kubernetes

deny contains {"message": message, "field": field} if {
	kubernetes.operation == "DELETE"
	key := input.parameters.annotation
	kubernetes.annotations[key] == "true"
	not going
	field := sprintf("metadata.annotations[%q]", [key])
	message := sprintf("%s is protected from deletion; remove its annotation %q first", [input.request.kind.kind, key])
}

deny contains {"message": message, "field": field} if {
	kubernetes.operation == "DELETE"
	some key, value in input.parameters.labels
	kubernetes.labels[key] == value
	not going
	field := sprintf("metadata.labels[%q]", [key])
	message := sprintf("%s is protected from deletion; change its label %q, which is %q, first", [input.request.kind.kind, key, value])
}

going if kubernetes.object.metadata.deletionTimestamp
