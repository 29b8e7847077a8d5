# METADATA
# title: Annotations of the namespace
# description: >-
#   Objects get the annotations of their namespace that the parameter lists, so that a contact or the settings of a mesh are
#   given in one place. An annotation the object has already stays as it is.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/overview/working-with-objects/annotations/
#   description: Annotations
# custom:
#   portcullis:
#     severity: low
#     match: {resources: [pods, workloads, services, persistentvolumeclaims]}
#     parameters:
#       type: object
#       additionalProperties: false
#       required: [annotations]
#       properties:
#         annotations:
#           description: The keys of the annotations to copy from the namespace.
#           type: array
#           minItems: 1
#           items: {type: string, format: annotation-key}
#       examples:
#       - annotations: [example.com/contact, example.com/runbook]
package portcullis.library.metadata.annotations_from_namespace

mutate contains {"default": ["metadata", "annotations", key], "value": value} if {
	some key in input.parameters.annotations
	value := input.namespace.metadata.annotations[key]
}
