# METADATA
# title: Tags of images are versions
# description: >-
#   Tags such as main or nightly are moved to another image whenever something is built, so that nobody can say what ran
#   yesterday. Tags that match one of the denied globs are refused, and so are those that match none of the patterns, where
#   patterns are given. No tag at all means latest. An image with a digest is that image whatever its tag, and is not judged.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/containers/images/#image-names
#   description: Image names
# custom:
#   portcullis:
#     severity: low
#     match: {resources: [pods, workloads], changes: [pods]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         denied:
#           description: Tags that are refused, as globs in which a star stands for any text.
#           type: array
#           items: {type: string, pattern: "^[a-zA-Z0-9._*-]+$"}
#           default: [latest, main, master, dev, develop, edge, nightly, snapshot, "*-SNAPSHOT"]
#         patterns:
#           description: Regular expressions (RE2), one of which must match the whole tag. With none, every tag that is not denied will do.
#           type: array
#           items: {type: string, minLength: 1, format: regex}
#           default: []
#         exemptImages:
#           description: Images that may have any tag, as they are written, as globs in which a star stands for any text.
#           type: array
#           items: {type: string, pattern: "^[a-zA-Z0-9._:/@*-]+$"}
#           default: []
#         podTemplates:
#           description: >-
#             Where custom resources have their Pod template, by resource and group, as in {"rollouts.argoproj.io":
#             "spec.template"}.
#           type: object
#           propertyNames: {format: resource}
#           additionalProperties: {type: string, pattern: '^[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*$'}
#           default: {}
#       examples:
#       - patterns: ["v?[0-9]+\\.[0-9]+(\\.[0-9]+)?(-[a-z0-9.]+)?"]
package portcullis.library.images.allowed_tags

import data.portcullis.images

deny contains {"message": message, "field": entry.path} if {
	some entry in images.readable
	entry.digest == ""
	tag := named(entry.tag)
	not versioned(tag)
	not images.like(entry.image, input.parameters.exemptImages)
	message := sprintf("the tag %s of the image %q is not allowed; name that of a version, or a digest", [tag, entry.image])
}

deny contains {"message": message, "field": entry.path} if {
	some entry in images.unreadable
	message := sprintf("%q is not a valid image reference; write it as REGISTRY/REPOSITORY:TAG", [entry.image])
}

named(tag) := "latest" if tag == ""

named(tag) := tag if tag != ""

versioned(tag) if {
	not images.like(tag, input.parameters.denied)
	fits(tag)
}

fits(_) if count(input.parameters.patterns) == 0

fits(tag) if {
	some pattern in input.parameters.patterns
	regex.match(sprintf("^(?:%s)$", [pattern]), tag)
}
