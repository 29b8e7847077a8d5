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
#     match: {resources: [pods, workloads]}
package portcullis.library.images.no_latest_tag

import data.portcullis.kubernetes

deny contains {"message": message, "field": entry.path} if {
	some entry in kubernetes.images
	image.is_valid(entry.image)
	parts := image.parse(entry.image)
	parts.digest == ""
	parts.tag in {"", "latest"}
	message := sprintf("the image %q means whatever is latest when it is pulled; name a version or a digest", [entry.image])
}

deny contains {"message": message, "field": entry.path} if {
	some entry in kubernetes.images
	not image.is_valid(entry.image)
	message := sprintf("%q is not a valid image reference; write it as REGISTRY/REPOSITORY:TAG", [entry.image])
}
