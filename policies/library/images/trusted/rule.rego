# METADATA
# title: Images are pinned by digest
# description: >-
#   A tag can be moved to another image after it was checked; a digest cannot. At the image policy webhook, which sees every
#   container of every pod right before it is stored, each image must be named by its digest, except where the registry
#   itself is trusted to keep its tags. That webhook does not see image volumes; the policy images.allowed_registries
#   covers those on admission.
# related_resources:
# - ref: https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#imagepolicywebhook
#   description: ImagePolicyWebhook
# custom:
#   portcullis:
#     severity: high
#     controls: [cis-1.9/5.5.1, nsa/secure-images]
#     match: {stage: image}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         trustedRegistries:
#           description: Registries whose tags are trusted not to move, as registry.example.com.
#           type: array
#           items: {type: string, minLength: 1}
#           default: []
package portcullis.library.images.trusted

import data.portcullis.kubernetes

deny contains {"message": message, "field": entry.path} if {
	some entry in kubernetes.images
	not pinned(entry.image)
	message := sprintf("the image %q is not pinned; add its digest, as in REPOSITORY:TAG@sha256:...", [entry.image])
}

pinned(reference) if {
	image.is_valid(reference)
	image.parse(reference).digest != ""
}

pinned(reference) if {
	image.is_valid(reference)
	image.parse(reference).registry in input.parameters.trustedRegistries
}
