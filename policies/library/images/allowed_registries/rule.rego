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
#     controls: [cis-1.9/5.5.1, nsa/secure-images]
#     match: {stage: [admission, image], resources: [pods, workloads], changes: [pods]}
#     parameters:
#       type: object
#       additionalProperties: false
#       required: [registries]
#       properties:
#         registries:
#           description: >-
#             Registries, as registry.example.com, or repositories with everything below them, as docker.io/library. There are
#             no wildcards, and a port is part of the name.
#           type: array
#           minItems: 1
#           items: {type: string, pattern: "^(localhost|[A-Za-z0-9-]+(\\.[A-Za-z0-9-]+)+|[A-Za-z0-9-]+:[0-9]+|\\[[0-9a-fA-F:]+\\])(:[0-9]+)?(/[a-z0-9._-]+)*/?$"}
#         podTemplates:
#           description: >-
#             Where custom resources have their Pod template, by resource and group, as in {"rollouts.argoproj.io":
#             "spec.template"}.
#           type: object
#           propertyNames: {format: resource}
#           additionalProperties: {type: string, pattern: '^[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*$'}
#           default: {}
#       examples:
#       - registries: [registry.example.com, docker.io/library]
package portcullis.library.images.allowed_registries

import data.portcullis.images

deny contains {"message": message, "field": entry.path} if {
	some entry in images.readable
	not images.within(entry.place, places)
	message := sprintf("the image %s is not from an allowed registry; use one of %s", [
		entry.place,
		concat(", ", input.parameters.registries),
	])
}

deny contains {"message": message, "field": entry.path} if {
	some entry in images.unreadable
	message := sprintf("%q is not a valid image reference; write it as REGISTRY/REPOSITORY:TAG", [entry.image])
}

# Docker Hub has two names, of which a place has the shorter one.
places := [known(registry) | some registry in input.parameters.registries]

known(registry) := trim_prefix(registry, "index.") if {
	startswith(concat("", [registry, "/"]), "index.docker.io/")
} else := registry
