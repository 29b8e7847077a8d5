# METADATA
# title: Storage is of classes that are allowed
# description: >-
#   The class of a claim decides what its data costs, where it lies and whether it is encrypted. PersistentVolumeClaims, the claim
#   templates of StatefulSets and ephemeral volumes name a class of the parameter. A class that a claim, a
#   claim template or a volume of a Pod has already is not judged again.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#class-1
#   description: Classes of claims
# custom:
#   portcullis:
#     severity: medium
#     match: {resources: [persistentvolumeclaims, pods, workloads]}
#     parameters:
#       type: object
#       additionalProperties: false
#       required: [classes]
#       properties:
#         classes:
#           description: The StorageClasses that may be used. An empty text stands for claims of volumes made by hand.
#           type: array
#           minItems: 1
#           items: {type: string}
#         allowDefault:
#           description: >-
#             Whether a claim may name no class, which gives it the default of the cluster. The API server fills it in before a
#             PersistentVolumeClaim is judged, where there is a default; templates stay without.
#           type: boolean
#           default: true
#         podTemplates:
#           description: >-
#             Where custom resources have their Pod template, by resource and group, as in {"rollouts.argoproj.io":
#             "spec.template"}.
#           type: object
#           propertyNames: {format: resource}
#           additionalProperties: {type: string, pattern: '^[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*$'}
#           default: {}
#       examples:
#       - classes: [encrypted, encrypted-fast]
package portcullis.library.storage.allowed_classes

import data.portcullis.claims

deny contains {"message": message, "field": field} if {
	some entry in claims.all
	class := class_of(entry.claim)
	not class in input.parameters.classes
	not had(entry.before, class)
	field := sprintf("%sspec.storageClassName", [entry.path])
	message := sprintf("the storage class %q is not allowed; use one of %s", [class, allowed])
}

deny contains {"message": message, "field": field} if {
	not input.parameters.allowDefault
	some entry in claims.all
	not class_of(entry.claim)
	not existed_without(entry.before)
	field := sprintf("%sspec.storageClassName", [entry.path])
	message := sprintf("the claim names no storage class; use one of %s", [allowed])
}

allowed := concat(", ", [sprintf("%q", [class]) | some class in input.parameters.classes])

# The annotation is from before the field, and still goes before it.
class_of(claim) := claim.metadata.annotations["volume.beta.kubernetes.io/storage-class"]

class_of(claim) := claim.spec.storageClassName if {
	claim.spec.storageClassName != null
	not claim.metadata.annotations["volume.beta.kubernetes.io/storage-class"]
}

had(before, class) if class_of(before) == class

existed_without(before) if {
	before != {}
	not class_of(before)
}
