# METADATA
# title: Namespaces in use are not deleted
# description: >-
#   To delete a namespace is to delete all that is in it, at once and without asking. One that still holds objects of the
#   parameter's kinds is not deleted; empty it first, or say by the annotation that it may go, which is a separate update by
#   design. Objects that came a moment ago may not be seen yet.
# related_resources:
# - ref: https://kubernetes.io/docs/tasks/administer-cluster/namespaces/#deleting-a-namespace
#   description: Deleting a namespace
# custom:
#   portcullis:
#     severity: high
#     match: {resources: [namespaces], operations: [DELETE]}
#     data: [persistentvolumeclaims, pods, deployments.apps, statefulsets.apps]
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         kinds:
#           description: The kinds that keep a namespace, of PersistentVolumeClaim, Pod, Deployment and StatefulSet.
#           type: array
#           minItems: 1
#           items: {type: string, enum: [PersistentVolumeClaim, Pod, Deployment, StatefulSet]}
#           default: [PersistentVolumeClaim, Pod, Deployment, StatefulSet]
#         annotation:
#           description: The annotation by whose value "true" a namespace may be deleted with all that it holds.
#           type: string
#           format: annotation-key
#           default: portcullis.dev/may-be-deleted
package portcullis.library.namespaces.deletion_guarded

import data.portcullis.kubernetes

deny contains {"message": message, "field": field} if {
	kubernetes.operation == "DELETE"
	key := input.parameters.annotation
	object.get(kubernetes.annotations, key, "") != "true"
	not kubernetes.object.metadata.deletionTimestamp
	some kind in input.parameters.kinds
	names := held[kind]
	count(names) > 0
	field := sprintf("metadata.annotations[%q]", [key])
	message := sprintf("the namespace %q still holds %d of kind %s, as %s; delete them first, or set its annotation %s to \"true\"", [
		input.request.name,
		count(names),
		kind,
		min(names),
		key,
	])
}

held["PersistentVolumeClaim"] := {name | data.kubernetes.persistentvolumeclaims[input.request.name][name]}

held["Pod"] := {name | data.kubernetes.pods[input.request.name][name]}

held["Deployment"] := {name | data.kubernetes["deployments.apps"][input.request.name][name]}

held["StatefulSet"] := {name | data.kubernetes["statefulsets.apps"][input.request.name][name]}
