# METADATA
# title: Images from allowed registries only
# description: >-
#   An image from anywhere is code from anyone. Images of containers of every kind and of image volumes must come from a
#   registry of the parameter, or from a repository below one of its paths. Short names mean Docker Hub: nginx is
#   docker.io/library/nginx. The same policy serves admission and the image policy webhook.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/containers/images/
#   description: Images
# - ref: https://kubernetes.io/docs/concepts/storage/volumes/#image
#   description: Image volumes
# custom:
#   portcullis:
#     severity: high
#     controls: [cis-1.9/5.5.1]
#     match: {stage: [admission, image], resources: [pods, workloads]}
#     parameters:
#       type: object
#       additionalProperties: false
#       required: [registries]
#       properties:
#         registries:
#           description: >-
#             Registries, as registry.example.com, or repositories with everything below them, as docker.io/library. There are
#             no wildcards.
#           type: array
#           minItems: 1
#           items: {type: string, minLength: 1}
#       examples:
#       - registries: [registry.example.com, docker.io/library]
package portcullis.library.images.allowed_registries

import data.portcullis.kubernetes

deny contains {"message": message, "field": entry.path} if {
	some entry in kubernetes.images
	image.is_valid(entry.image)
	parts := image.parse(entry.image)
	name := sprintf("%s/%s", [parts.registry, parts.repository])
	not allowed(name)
	message := sprintf("the image %s is not from an allowed registry; use one of %s", [
		name,
		concat(", ", input.parameters.registries),
	])
}

deny contains {"message": message, "field": entry.path} if {
	some entry in kubernetes.images
	not image.is_valid(entry.image)
	message := sprintf("%q is not a valid image reference; write it as REGISTRY/REPOSITORY:TAG", [entry.image])
}

# The slashes keep registry.example.com from allowing registry.example.com.evil.org.
allowed(name) if {
	some registry in input.parameters.registries
	startswith(sprintf("%s/", [name]), sprintf("%s/", [trim_right(registry, "/")]))
}
