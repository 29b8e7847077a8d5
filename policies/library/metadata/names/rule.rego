# METADATA
# title: Names follow a pattern
# description: >-
#   Names end up in host names, labels, metrics and bills. The name of an object matches the pattern of the parameter as a whole, and is
#   no longer than it says. A name that the API server has yet to make is judged when it is made.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
#   description: Names of objects
# custom:
#   portcullis:
#     severity: low
#     match: {resources: [namespaces, workloads, services, ingresses.networking.k8s.io], operations: [CREATE]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         pattern:
#           description: A regular expression (RE2) the whole name must match.
#           type: string
#           format: regex
#           default: "[a-z]([a-z0-9-]*[a-z0-9])?"
#         maxLength:
#           description: How many characters a name may have.
#           type: integer
#           minimum: 1
#           maximum: 253
#           default: 63
#       examples:
#       - pattern: "(shop|blog)-[a-z0-9-]+"
#         maxLength: 40
package portcullis.library.metadata.names

import data.portcullis.kubernetes

deny contains {"message": message, "field": "metadata.name"} if {
	name := kubernetes.object.metadata.name
	is_string(name)
	count(name) > input.parameters.maxLength
	message := sprintf("the name %q has %d characters; use %d at most", [name, count(name), input.parameters.maxLength])
}

deny contains {"message": message, "field": "metadata.name"} if {
	name := kubernetes.object.metadata.name
	is_string(name)
	not regex.match(concat("", ["^(?:", input.parameters.pattern, ")$"]), name)
	message := sprintf("the name %q does not match %s; choose one that does", [name, input.parameters.pattern])
}
