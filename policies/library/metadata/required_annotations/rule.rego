# METADATA
# title: Required annotations
# description: >-
#   Annotations say what no label can, as whom to call and where the runbook is. Each annotation of the parameter must be there, and must
#   match its pattern where one is given.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/overview/working-with-objects/annotations/
#   description: Annotations
# custom:
#   portcullis:
#     severity: low
#     match: {resources: [namespaces, workloads, services]}
#     parameters:
#       type: object
#       additionalProperties: false
#       required: [annotations]
#       properties:
#         annotations:
#           description: The annotations every object must have.
#           type: array
#           minItems: 1
#           items:
#             type: object
#             additionalProperties: false
#             required: [key]
#             properties:
#               key:
#                 description: The key of the annotation.
#                 type: string
#                 format: annotation-key
#               pattern:
#                 description: A regular expression (RE2) the whole value must match; any value but an empty one will do without it.
#                 type: string
#                 format: regex
#       examples:
#       - annotations:
#         - {key: example.com/contact}
#         - {key: example.com/runbook, pattern: "https://.+"}
package portcullis.library.metadata.required_annotations

import data.portcullis.kubernetes

deny contains {"message": message, "field": field(annotation.key)} if {
	some annotation in input.parameters.annotations
	kubernetes.text(kubernetes.annotations, annotation.key) == ""
	message := sprintf("the annotation %q is missing; add it to metadata.annotations", [annotation.key])
}

deny contains {"message": message, "field": field(annotation.key)} if {
	some annotation in input.parameters.annotations
	value := kubernetes.text(kubernetes.annotations, annotation.key)
	value != ""
	not regex.match(concat("", ["^(?s:", annotation.pattern, ")$"]), value)
	message := sprintf("the annotation %q is %q; it must match %s", [annotation.key, value, annotation.pattern])
}

field(key) := sprintf("metadata.annotations[%q]", [key])
