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
#     match: {resources: [pods, workloads]}
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
#           items: {type: string, minLength: 1}
#           default: []
#         exemptImages:
#           description: Images that may have any tag, as they are written, as globs in which a star stands for any text.
#           type: array
#           items: {type: string, pattern: "^[a-zA-Z0-9._:/@*-]+$"}
#           default: []
#       examples:
#       - patterns: ["v?[0-9]+\\.[0-9]+(\\.[0-9]+)?(-[a-z0-9.]+)?"]
package portcullis.library.images.allowed_tags

import data.portcullis.kubernetes

deny contains {"message": message, "field": entry.path} if {
	some entry in kubernetes.images
	tag := tag_of(entry.image)
	not versioned(tag)
	not exempt(entry.image)
	message := sprintf("the tag %s of the image %q is not allowed; name that of a version, or a digest", [tag, entry.image])
}

deny contains {"message": message, "field": entry.path} if {
	some entry in kubernetes.images
	not image.is_valid(entry.image)
	message := sprintf("%q is not a valid image reference; write it as REGISTRY/REPOSITORY:TAG", [entry.image])
}

# What is pulled by tag, and by which; undefined where a digest says what is pulled.
tag_of(reference) := tag if {
	image.is_valid(reference)
	parts := image.parse(reference)
	parts.digest == ""
	tag := named(parts.tag)
}

named(tag) := "latest" if tag == ""

named(tag) := tag if tag != ""

versioned(tag) if {
	not denied(tag)
	fits(tag)
}

denied(tag) if {
	some pattern in input.parameters.denied
	glob.match(pattern, null, tag)
}

fits(_) if count(input.parameters.patterns) == 0

fits(tag) if {
	some pattern in input.parameters.patterns
	regex.match(sprintf("^(?:%s)$", [pattern]), tag)
}

exempt(reference) if {
	some pattern in input.parameters.exemptImages
	glob.match(pattern, null, reference)
}
