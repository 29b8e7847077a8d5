# METADATA
# title: Claims are of a size and kind that storage can bear
# description: >-
#   A claim takes what it asks for, by mistake as well, and most storage grows but never shrinks. PersistentVolumeClaims, the claim
#   templates of StatefulSets and ephemeral volumes ask for no more than the parameter, and for no other access modes than those. What a
#   claim, a claim template or a volume of a Pod has already is not judged again, and a claim that exists is when it grows.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#persistentvolumeclaims
#   description: Persistent volume claims
# custom:
#   portcullis:
#     severity: low
#     match: {resources: [persistentvolumeclaims, pods, workloads]}
#     parameters:
#       type: object
#       additionalProperties: false
#       required: [maximum]
#       properties:
#         maximum:
#           description: The most that a claim may ask for, as a quantity.
#           type: string
#           pattern: "^[0-9]+(\\.[0-9]+)?(Ki|Mi|Gi|Ti|Pi|Ei|k|M|G|T|P|E)?$"
#         accessModes:
#           description: The access modes a claim may ask for.
#           type: array
#           minItems: 1
#           items: {type: string, enum: [ReadWriteOnce, ReadOnlyMany, ReadWriteMany, ReadWriteOncePod]}
#           default: [ReadWriteOnce, ReadOnlyMany, ReadWriteMany, ReadWriteOncePod]
#         podTemplates:
#           description: >-
#             Where custom resources have their Pod template, by resource and group, as in {"rollouts.argoproj.io":
#             "spec.template"}.
#           type: object
#           propertyNames: {format: resource}
#           additionalProperties: {type: string, pattern: '^[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*$'}
#           default: {}
#       examples:
#       - maximum: 1Ti
#         accessModes: [ReadWriteOnce, ReadWriteOncePod]
package portcullis.library.storage.claim_limits

import data.portcullis.claims
import data.portcullis.quantities

deny contains {"message": message, "field": field} if {
	some entry in claims.all
	size := entry.claim.spec.resources.requests.storage
	size != null
	not quantities.at_most(size, input.parameters.maximum)
	not object.get(entry.before, ["spec", "resources", "requests", "storage"], null) == size
	field := sprintf("%sspec.resources.requests.storage", [entry.path])
	message := sprintf("the claim asks for %v%s; ask for %s at most", [size, unreadable(size), input.parameters.maximum])
}

deny contains {"message": message, "field": field} if {
	some entry in claims.all
	some i, mode in entry.claim.spec.accessModes
	not mode in input.parameters.accessModes
	not had(entry.before, mode)
	field := sprintf("%sspec.accessModes[%d]", [entry.path, i])
	message := sprintf("the access mode %s is not allowed; use one of %s", [mode, concat(", ", input.parameters.accessModes)])
}

unreadable(size) := "" if quantities.amount(size)

unreadable(size) := ", which is no quantity" if not quantities.amount(size)

had(before, mode) if mode in before.spec.accessModes
