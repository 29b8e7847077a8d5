# METADATA
# title: No directories of the host
# description: >-
#   A hostPath volume gives a container files of its node, and often the node itself with them. Only paths below those of the
#   parameter are allowed. Persistent volumes that stand for host paths are made by administrators and are not covered.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/volumes/#hostpath
#   description: hostPath volumes
# custom:
#   portcullis:
#     severity: high
#     controls: [pss/baseline, cis-1.9/5.2.12]
#     match: {resources: [pods, workloads]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         allowedPaths:
#           description: Paths that may be mounted with everything below them, as /var/log.
#           type: array
#           items: {type: string, pattern: "^/"}
#           default: []
package portcullis.library.pods.host_path

import data.portcullis.kubernetes

deny contains {"message": message, "field": field} if {
	some i, volume in kubernetes.pod_spec.volumes
	volume.hostPath != null
	not allowed(volume.hostPath)
	field := sprintf("%s.volumes[%d].hostPath", [kubernetes.pod_spec_path, i])
	message := sprintf("the volume %q mounts the path %q of the node; use another kind of volume", [
		object.get(volume, "name", ""),
		object.get(volume, ["hostPath", "path"], ""),
	])
}

# The slashes keep /var/log from allowing /var/logs.
allowed(source) if {
	not ".." in split(source.path, "/")
	some path in input.parameters.allowedPaths
	startswith(sprintf("%s/", [source.path]), sprintf("%s/", [trim_right(path, "/")]))
}
