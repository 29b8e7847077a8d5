# METADATA
# title: Immutable fields
# description: >-
#   Some fields must stay what they were set to, although Kubernetes would let them change: the owner of a namespace, the tier
#   of a workload. A field of the parameter may be set once; from then on an update may neither change nor remove it. Who may
#   scale a workload changes spec.replicas by its subresource scale, which is therefore covered, for autoscalers too. For custom
#   resources that have one, it must be named in match.resources beside them; their replicas may have another path there. A path that
#   leads into a list stands for the list as a whole.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/
#   description: Labels and selectors
# custom:
#   portcullis:
#     severity: medium
#     match:
#       resources: [namespaces, workloads, services, deployments/scale, replicasets/scale, statefulsets/scale, replicationcontrollers/scale]
#       operations: [UPDATE]
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
#             format: field-path
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
	before := value_at(whole(kubernetes.old_object), segments)
	not unchanged(segments, before)
	path := concat(".", segments)
	message := sprintf("%s is %s and cannot be changed; leave it as it is", [path, json.marshal(before.value)])
}

unchanged(segments, before) if value_at(whole(kubernetes.object), segments) == before

segments_of(field) := split(field, ".") if is_string(field)

segments_of(field) := field if is_array(field)

# A Scale does not spell out that there are no replicas.
whole(resource) := object.union({"spec": {"replicas": 0}}, resource) if {
	resource.kind == "Scale"
} else := resource

# The value is wrapped, so that a field that is false is told from one that is absent. Null counts as absent, as everywhere
# in Kubernetes. Which element of a list was which cannot be told once it has changed.
value_at(from, segments) := {"value": value} if {
	is_object(from)
	value := object.get(from, segments, null)
	value != null
} else := {"value": list} if {
	is_object(from)
	some n in numbers.range(1, count(segments) - 1)
	list := object.get(from, array.slice(segments, 0, n), null)
	is_array(list)
}
