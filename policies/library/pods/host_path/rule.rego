# METADATA
# title: No directories of the host
# description: >-
#   A hostPath volume gives a container files of its node, and often the node itself with them. Only paths below those
#   of the parameter are allowed. Persistent volumes that stand for host paths are made by administrators and are not
#   covered.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/
#   description: Pod Security Standards, baseline
# - ref: https://kubernetes.io/docs/concepts/storage/volumes/#hostpath
#   description: hostPath volumes
# custom:
#   portcullis:
#     severity: high
#     controls: [pss/baseline, cis-1.9/5.2.12, nsa/host-path]
#     match: {resources: [pods, workloads], changes: [pods]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         allowedPaths:
#           description: Paths that may be mounted with everything below them, as /var/log.
#           type: array
#           items: {type: string, pattern: "^/"}
#           default: []
#         version:
#           description: >-
#             The version of the Pod Security Standards to judge by, as v1.30, or latest. This rule has been the same in
#             all of them.
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
package portcullis.library.pods.host_path

import data.portcullis.kubernetes

deny contains {"message": message, "field": field} if {
	some entry in kubernetes.volumes
	entry.volume.hostPath != null
	not allowed(entry.volume.hostPath)
	field := sprintf("%s.hostPath", [entry.path])
	message := sprintf("the volume %q mounts the path %q of the node; use another kind of volume", [
		entry.name,
		kubernetes.text(entry.volume.hostPath, "path"),
	])
}

# The slashes keep /var/log from allowing /var/logs.
allowed(source) if {
	is_string(source.path)
	not ".." in split(source.path, "/")
	some path in input.parameters.allowedPaths
	startswith(sprintf("%s/", [source.path]), sprintf("%s/", [trim_right(path, "/")]))
}
