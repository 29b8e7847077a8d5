# METADATA
# title: No image without a version
# description: >-
#   The tag latest, and no tag at all, mean another image tomorrow: two nodes run different code under one name, and a
#   rollback rolls back to nothing. Every image needs another tag, or a digest.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/containers/images/#image-names
#   description: Image names
# custom:
#   portcullis:
#     severity: medium
#     match: {resources: [pods, workloads], changes: [pods]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         podTemplates:
#           description: >-
#             Where custom resources have their Pod template, by resource and group, as in {"rollouts.argoproj.io":
#             "spec.template"}.
#           type: object
#           propertyNames: {format: resource}
#           additionalProperties: {type: string, pattern: '^[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*$'}
#           default: {}
package portcullis.library.images.no_latest_tag

import data.portcullis.images

deny contains {"message": message, "field": entry.path} if {
	some entry in images.readable
	entry.digest == ""
	entry.tag in {"", "latest"}
	message := sprintf("the image %q means whatever is latest when it is pulled; name a version or a digest", [entry.image])
}

deny contains {"message": message, "field": entry.path} if {
	some entry in images.unreadable
	message := sprintf("%q is not a valid image reference; write it as REGISTRY/REPOSITORY:TAG", [entry.image])
}
