# METADATA
# title: Required labels
# description: >-
#   Labels tell who owns an object and what it belongs to; cost reports, network policies and people on call rely on them.
#   Each label of the parameter must be there, and must match its pattern where one is given.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/
#   description: Recommended labels
# custom:
#   portcullis:
#     severity: low
#     match: {resources: [namespaces, pods, workloads, services]}
#     parameters:
#       type: object
#       additionalProperties: false
#       required: [labels]
#       properties:
#         labels:
#           description: The labels every object must have.
#           type: array
#           minItems: 1
#           items:
#             type: object
#             additionalProperties: false
#             required: [key]
#             properties:
#               key:
#                 description: The key of the label.
#                 type: string
#                 format: label-key
#               pattern:
#                 description: A regular expression (RE2) the whole value must match; any value will do without it.
#                 type: string
#                 format: regex
#       examples:
#       - labels:
#         - {key: team}
#         - {key: cost-center, pattern: "[0-9]{4}"}
package portcullis.library.metadata.required_labels

import data.portcullis.kubernetes

deny contains {"message": message, "field": field(label.key)} if {
	some label in input.parameters.labels
	not has(label.key)
	message := sprintf("the label %q is missing; add it to metadata.labels", [label.key])
}

deny contains {"message": message, "field": field(label.key)} if {
	some label in input.parameters.labels
	pattern := label.pattern
	has(label.key)
	value := kubernetes.labels[label.key]
	not regex.match(sprintf("^(?:%s)$", [pattern]), value)
	message := sprintf("the label %q is %q; it must match %s", [label.key, value, pattern])
}

has(key) if is_string(kubernetes.labels[key])

field(key) := sprintf("metadata.labels[%q]", [key])
