# METADATA
# title: Images are pulled anew
# description: >-
#   An image that lies on a node already is run without a question to its registry: by whoever may not pull it, and in the
#   old version of a tag that was moved. With imagePullPolicy Always the registry is asked each time, and sends nothing that
#   is there. Where no policy is named it is Always for the tag latest and no tag, and IfNotPresent otherwise.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/containers/images/#image-pull-policy
#   description: Image pull policy
# - ref: https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#alwayspullimages
#   description: AlwaysPullImages
# custom:
#   portcullis:
#     severity: low
#     controls: [cis-1.9/1.2.11]
#     match: {resources: [pods, workloads], changes: [pods]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         allowed:
#           description: The policies an image may be pulled by.
#           type: array
#           minItems: 1
#           items: {type: string, enum: [Always, IfNotPresent, Never]}
#           default: [Always]
#         digests:
#           description: Whether images with a digest are judged as well. They are never out of date, but anyone on the node may run them.
#           type: boolean
#           default: false
#         exemptImages:
#           description: Images that may be pulled by any policy, as they are written, as globs in which a star stands for any text.
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
package portcullis.library.images.pull_policy

import data.portcullis.images
import data.portcullis.kubernetes

deny contains {"message": message, "field": field} if {
	some entry in kubernetes.containers
	reference := entry.container.image
	given := object.get(entry.container, "imagePullPolicy", "")
	not given in input.parameters.allowed
	policy := policy_of(given, reference)
	not policy in input.parameters.allowed
	not exempt(reference)
	field := sprintf("%s.imagePullPolicy", [entry.path])
	message := sprintf("%s %q has the image pull policy %v; set imagePullPolicy to %s", [entry.kind, entry.name, policy, wanted])
}

deny contains {"message": message, "field": field} if {
	some i, volume in kubernetes.pod_spec.volumes
	reference := volume.image.reference
	policy := policy_of(object.get(volume.image, "pullPolicy", ""), reference)
	not policy in input.parameters.allowed
	not exempt(reference)
	field := sprintf("%s.volumes[%d].image.pullPolicy", [kubernetes.pod_spec_path, i])
	message := sprintf("the volume %q has the image pull policy %v; set image.pullPolicy to %s", [
		object.get(volume, "name", ""),
		policy,
		wanted,
	])
}

wanted := concat(" or ", input.parameters.allowed)

policy_of(given, _) := given if not given in {"", null}

# What the API server fills in before anybody is asked, and manifests leave out.
policy_of(given, reference) := "Always" if {
	given in {"", null}
	latest(reference)
}

policy_of(given, reference) := "IfNotPresent" if {
	given in {"", null}
	not latest(reference)
}

latest(reference) if {
	image.is_valid(reference)
	parts := image.parse(reference)
	[parts.tag, parts.digest == ""] in {["latest", true], ["latest", false], ["", true]}
}

exempt(reference) if {
	not input.parameters.digests
	image.is_valid(reference)
	image.parse(reference).digest != ""
}

exempt(reference) if images.like(reference, input.parameters.exemptImages)
