# METADATA
# title: Labels of the namespace
# description: >-
#   Objects get the labels of their namespace that the parameter lists, so that a team or cost center is set in one place. A
#   label the object has already stays as it is.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/
#   description: Recommended labels
# custom:
#   portcullis:
#     severity: low
#     match: {resources: [pods, workloads, services, persistentvolumeclaims]}
#     parameters:
#       type: object
#       additionalProperties: false
#       required: [labels]
#       properties:
#         labels:
#           description: The keys of the labels to copy from the namespace.
#           type: array
#           minItems: 1
#           items: {type: string, format: label-key}
#       examples:
#       - labels: [team, cost-center]
package portcullis.library.metadata.labels_from_namespace

mutate contains {"default": ["metadata", "labels", key], "value": value} if {
	some key in input.parameters.labels
	value := input.namespace.metadata.labels[key]
}
