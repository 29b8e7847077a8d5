# METADATA
# scope: package
# title: What a review says about Kubernetes objects
# description: >-
#   The parts of a review that most policies ask for, spelt once: the object, its pod specification wherever the kind keeps it,
#   every container, every image. Import it as data.portcullis.kubernetes. Whatever a review does not have is undefined or
#   empty, never an error.
package portcullis.kubernetes

# METADATA
# title: Operation
# description: CREATE, UPDATE, DELETE or CONNECT, on admission.
operation := input.request.operation

# METADATA
# title: Object
# description: >-
#   The object the request is about, on admission. On DELETE it is the object that would go, which Kubernetes sends as the old
#   object; on CONNECT it is the options of the connection.
object := input.request.oldObject if input.request.operation == "DELETE"

object := input.request.object if input.request.operation != "DELETE"

# METADATA
# title: Old object
# description: The object as it is stored now, on UPDATE and DELETE.
old_object := input.request.oldObject if input.request.oldObject != null

# METADATA
# title: Labels
# description: The labels of the object, an empty object when it has none.
default labels := {}

labels := object.metadata.labels if is_object(object.metadata.labels)

# METADATA
# title: Annotations
# description: The annotations of the object, an empty object when it has none.
default annotations := {}

annotations := object.metadata.annotations if is_object(object.metadata.annotations)

# METADATA
# title: Namespace
# description: The name of the namespace the review is about, at every stage; empty for what belongs to no namespace.
default namespace := ""

namespace := name if {
	name := input.request.namespace
} else := name if {
	name := input.spec.resourceAttributes.namespace
} else := input.spec.namespace

# METADATA
# title: User
# description: Who asks, as username, uid, groups and extra, on admission and at the access stages.
user := info if {
	info := input.request.userInfo
} else := {
	"username": input.spec.user,
	"uid": _or_else(input.spec, "uid", ""),
	"groups": _or_else(input.spec, "groups", []),
	"extra": _or_else(input.spec, "extra", {}),
}

# METADATA
# title: Name of the user
# description: The name of who asks, on admission and at the access stages; empty where a review has none.
default username := ""

username := name if {
	name := input.request.userInfo.username
} else := input.spec.user

# METADATA
# title: Groups
# description: The groups of who asks, on admission and at the access stages; an empty list where a review has none.
default groups := []

groups := names if {
	names := input.request.userInfo.groups
	is_array(names)
} else := names if {
	names := input.spec.groups
	is_array(names)
}

# METADATA
# title: Path of the pod specification
# description: >-
#   Where the object keeps its pod specification, for example spec.template.spec. Any kind other than Pod, CronJob and
#   PodTemplate is taken to keep it where Deployment does, so that custom workloads of that shape are covered as well.
pod_spec_path := "spec" if input.request.kind.kind == "Pod"

pod_spec_path := "spec.jobTemplate.spec.template.spec" if input.request.kind.kind == "CronJob"

pod_spec_path := "template.spec" if input.request.kind.kind == "PodTemplate"

pod_spec_path := "spec.template.spec" if not input.request.kind.kind in {"Pod", "CronJob", "PodTemplate"}

# METADATA
# title: Pod specification
# description: >-
#   The pod specification of a Pod, of a workload (Deployment, ReplicaSet, StatefulSet, DaemonSet, Job, CronJob,
#   ReplicationController) or of a PodTemplate; undefined for an object without one.
pod_spec := spec if {
	spec := _spec_at[pod_spec_path]
	is_object(spec)
}

_spec_at["spec"] := object.spec

_spec_at["spec.jobTemplate.spec.template.spec"] := object.spec.jobTemplate.spec.template.spec

_spec_at["template.spec"] := object.template.spec

_spec_at["spec.template.spec"] := object.spec.template.spec

# METADATA
# title: Containers
# description: >-
#   Every container of the pod specification, in the order init containers, containers, ephemeral containers. Each entry has
#   the container itself, its path, and, ready for a message, its name and its kind in words. The name is empty where it is
#   missing, so that a message can always be made.
containers := [entry |
	some [field, kind] in [
		["initContainers", "init container"],
		["containers", "container"],
		["ephemeralContainers", "ephemeral container"],
	]
	some i, container in pod_spec[field]
	entry := {
		"container": container,
		"kind": kind,
		"name": _or_else(container, "name", ""),
		"path": sprintf("%s.%s[%d]", [pod_spec_path, field, i]),
	}
]

# METADATA
# title: Images
# description: >-
#   Every image the object would run or mount, each with its path: those of containers of every kind, those of image volumes,
#   and, in an image review, those it lists; they have no path, because the review does not say where in the Pod they are.
images := array.concat(_reviewed_images, array.concat(_container_images, _volume_images))

_container_images := [{"image": entry.container.image, "path": sprintf("%s.image", [entry.path])} |
	some entry in containers
]

_volume_images := [{
	"image": volume.image.reference,
	"path": sprintf("%s.volumes[%d].image.reference", [pod_spec_path, i]),
} |
	some i, volume in pod_spec.volumes
]

_reviewed_images := [{"image": container.image, "path": ""} | some container in input.spec.containers]

# object.get cannot be called here: in this package the name object is the rule above.
_or_else(from, key, otherwise) := value if {
	value := from[key]
} else := otherwise
