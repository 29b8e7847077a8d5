# METADATA
# title: Tags are pulled always
# description: >-
#   A tag may mean another image tomorrow, and a node that has an image runs it for anybody who knows its name, whether or not
#   they may pull it. Images that are not named by digest get the pull policy of the parameter, and those that are keep
#   theirs. It is set and not a default: the API server fills in IfNotPresent before anybody is asked. Of a Pod that exists only ephemeral
#   containers that are added are edited. Pods are edited and not their workloads, so that what is in Git and what is in the
#   cluster stay the same.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/containers/images/#image-pull-policy
#   description: Image pull policy
# - ref: https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#alwayspullimages
#   description: AlwaysPullImages, for all images
# custom:
#   portcullis:
#     severity: medium
#     match: {resources: [pods]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         pullPolicy:
#           description: The pull policy of images that are not named by digest.
#           type: string
#           enum: [Always, IfNotPresent, Never]
#           default: Always
#         exemptImages:
#           description: Images whose pull policy stays, as globs in which a star stands for any text.
#           type: array
#           items: {type: string, pattern: "^[a-zA-Z0-9._:/@*-]+$"}
#           default: []
#       examples:
#       - exemptImages: ["registry.example.com/cached/*"]
package portcullis.library.images.always_pull

import data.portcullis.images
import data.portcullis.kubernetes

mutate contains {"set": ["spec", field, {"name": container.name}, "imagePullPolicy"], "value": input.parameters.pullPolicy} if {
	input.request.operation == "CREATE"
	some field in ["initContainers", "containers", "ephemeralContainers"]
	some container in kubernetes.object.spec[field]
	judged(container.image)
}

mutate contains {"set": path, "value": input.parameters.pullPolicy} if {
	input.request.operation == "UPDATE"
	some container in kubernetes.object.spec.ephemeralContainers
	not container.name in old_names
	judged(container.image)
	path := ["spec", "ephemeralContainers", {"name": container.name}, "imagePullPolicy"]
}

mutate contains {"set": ["spec", "volumes", {"name": volume.name}, "image", "pullPolicy"], "value": input.parameters.pullPolicy} if {
	input.request.operation == "CREATE"
	some volume in kubernetes.object.spec.volumes
	judged(volume.image.reference)
}

# What cannot be read is no digest.
judged(image) if {
	is_string(image)
	image != ""
	not contains(image, "@")
	not images.like(image, input.parameters.exemptImages)
}

old_names contains kubernetes.old_object.spec.ephemeralContainers[_].name
