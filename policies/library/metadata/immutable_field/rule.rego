# METADATA
# title: Immutable fields
# description: >-
#   Some fields must stay what they were set to, although Kubernetes would let them change: the owner of a namespace, the tier
#   of a workload. A field of the parameter may be set once; from then on an update may neither change nor remove it.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/
#   description: Labels and selectors
# custom:
#   portcullis:
#     severity: medium
#     match: {resources: [namespaces, workloads, services], operations: [UPDATE]}
#     parameters:
#       type: object
#       additionalProperties: false
#       required: [fields]
#       properties:
#         fields:
#           description: >-
#             The fields, each a path with dots, as spec.type, or an array of segments where a key has dots itself, as
#             [metadata, labels, app.kubernetes.io/name].
#           type: array
#           minItems: 1
#           items:
#             anyOf:
#             - {type: string, minLength: 1}
#             - {type: array, minItems: 1, items: {type: string}}
#       examples:
#       - fields: [metadata.labels.tier, [metadata, labels, app.kubernetes.io/name]]
package portcullis.library.metadata.immutable_field

import data.portcullis.kubernetes

deny contains {"message": message, "field": path} if {
	some field in input.parameters.fields
	segments := segments_of(field)
	before := value_at(kubernetes.old_object, segments)
	not unchanged(segments, before)
	path := concat(".", segments)
	message := sprintf("%s is %s and cannot be changed; leave it as it is", [path, json.marshal(before.value)])
}

unchanged(segments, before) if value_at(kubernetes.object, segments) == before

segments_of(field) := split(field, ".") if is_string(field)

segments_of(field) := field if is_array(field)

# The value is wrapped, so that a field that is false is told from one that is absent. Null counts as absent, as everywhere
# in Kubernetes.
value_at(from, segments) := {"value": value} if {
	value := object.get(from, segments, null)
	value != null
}
