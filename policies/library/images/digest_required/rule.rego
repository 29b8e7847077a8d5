# METADATA
# title: Images are named by their digest
# description: >-
#   A tag can be moved to another image after it was reviewed, and then every node runs what it happened to pull; a digest
#   cannot. Every image of containers of all kinds and of image volumes needs one. A tag may stand before it, for people to
#   read. What the API server asks the image policy webhook is judged by images.trusted.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/containers/images/#image-names
#   description: Image names
# - ref: https://kubernetes.io/docs/concepts/storage/volumes/#image
#   description: Image volumes
# custom:
#   portcullis:
#     severity: medium
#     controls: [nsa/secure-images]
#     match: {resources: [pods, workloads], changes: [pods]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         exemptImages:
#           description: Images that need no digest, as they are written, as globs in which a star stands for any text.
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
package portcullis.library.images.digest_required

import data.portcullis.images

deny contains {"message": message, "field": entry.path} if {
	some entry in images.readable
	entry.digest == ""
	not images.like(entry.image, input.parameters.exemptImages)
	message := sprintf("the image %q has no digest; name it as REPOSITORY:TAG@sha256:...", [entry.image])
}

deny contains {"message": message, "field": entry.path} if {
	some entry in images.unreadable
	message := sprintf("%q is not a valid image reference; write it as REGISTRY/REPOSITORY:TAG", [entry.image])
}
