# METADATA
# title: PersistentVolumes are no directories of the host
# description: >-
#   A PersistentVolume of the type hostPath gives whoever claims it a directory of a node, past all policies that keep hostPath
#   volumes out of Pods. Only paths below those of the parameter are allowed. Volumes that exist are not judged again: their
#   source cannot change.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#types-of-persistent-volumes
#   description: Types of persistent volumes
# custom:
#   portcullis:
#     severity: high
#     controls: [cis-1.9/5.2.12]
#     match: {resources: [persistentvolumes], operations: [CREATE]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         allowedPaths:
#           description: Paths that may be volumes with everything below them, as /mnt/disks.
#           type: array
#           items: {type: string, pattern: "^/"}
#           default: []
#         local:
#           description: Whether volumes of the type local, which are tied to a node, are held to these paths, too.
#           type: boolean
#           default: false
#       examples:
#       - allowedPaths: [/mnt/disks]
#         local: true
package portcullis.library.storage.host_path_volumes

import data.portcullis.kubernetes

deny contains {"message": message, "field": "spec.hostPath.path"} if {
	kubernetes.object.spec.hostPath != null
	not allowed(kubernetes.object.spec.hostPath)
	path := object.get(kubernetes.object, ["spec", "hostPath", "path"], "")
	message := sprintf("the volume is the path %q of whatever node it is mounted on; use another type of volume", [path])
}

deny contains {"message": message, "field": "spec.local.path"} if {
	input.parameters.local
	kubernetes.object.spec.local != null
	not allowed(kubernetes.object.spec.local)
	path := kubernetes.text(kubernetes.object.spec.local, "path")
	message := sprintf("the volume is the path %q of a node; use another path or type of volume", [path])
}

# The slashes keep /mnt/disks from allowing /mnt/disks-of-others.
allowed(source) if {
	is_string(source.path)
	not ".." in split(source.path, "/")
	some path in input.parameters.allowedPaths
	startswith(sprintf("%s/", [source.path]), sprintf("%s/", [trim_right(path, "/")]))
}
