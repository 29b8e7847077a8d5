# METADATA
# title: Volumes of harmless types only
# description: >-
#   Many types of volumes reach past the Pod, into its node or over its network. A volume must be a configMap, csi,
#   downwardAPI, emptyDir, ephemeral, image, persistentVolumeClaim, projected or secret; what a claim or a driver stands
#   for is for administrators to say.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/
#   description: Pod Security Standards, restricted
# - ref: https://kubernetes.io/docs/concepts/storage/volumes/
#   description: Volumes
# custom:
#   portcullis:
#     severity: medium
#     controls: [pss/restricted, cis-1.9/5.2.12]
#     match: {resources: [pods, workloads], changes: [pods]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         version:
#           description: >-
#             The version of the Pod Security Standards to judge by, as v1.30, or latest. This rule has been the same in
#             all of them. It takes the place of pods.host_path.
#           type: string
#           pattern: '^(latest|v1\.(0|[1-9][0-9]*))$'
#           default: latest
#         podTemplates:
#           description: >-
#             Where custom resources have their Pod template, by resource and group, as in {"rollouts.argoproj.io":
#             "spec.template"}.
#           type: object
#           propertyNames: {format: resource}
#           additionalProperties: {type: string, pattern: '^[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*$'}
#           default: {}
package portcullis.library.pods.volume_types

import data.portcullis.kubernetes

deny contains {"message": message, "field": entry.path} if {
	some entry in kubernetes.volumes
	not harmless(entry.volume)
	message := sprintf("the volume %q is of the type %s; use a persistentVolumeClaim or another allowed type", [
		entry.name,
		type_of(entry.volume),
	])
}

# Quickest is to look for the type that most volumes have.
harmless(volume) if {
	some type in [
		"configMap",
		"secret",
		"emptyDir",
		"projected",
		"persistentVolumeClaim",
		"csi",
		"downwardAPI",
		"ephemeral",
		"image",
	]
	volume[type] != null
}

type_of(volume) := concat(", ", types) if {
	types := [type | some type, source in volume; is_string(type); type != "name"; source != null]
	count(types) > 0
} else := "unknown"
