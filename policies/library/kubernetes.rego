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
object := input.request.oldObject if {
	input.request.operation == "DELETE"
} else := input.request.object if {
	input.request.operation != "DELETE"
}

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
# title: Name
# description: >-
#   The name of the object, ready for a message: one that the API server has yet to make is its generateName with a star, and empty is
#   that of an object with neither.
default name := ""

name := input.request.name if {
	is_string(input.request.name)
	input.request.name != ""
} else := called("", object)

# METADATA
# title: Name of an object
# description: What to call an object in a message that has this name, or none yet; see name.
called(known, _) := known if {
	is_string(known)
	known != ""
}

called("", of) := _expected_name(of)

_expected_name(of) := of.metadata.name if {
	is_string(of.metadata.name)
	of.metadata.name != ""
} else := concat("", [of.metadata.generateName, "*"]) if {
	is_string(of.metadata.generateName)
} else := ""

# METADATA
# title: Path of the Pod template
# description: >-
#   Where the object keeps its Pod template, for example spec.template: metadata and spec of a Pod. It is empty for a Pod,
#   which is all of it itself. Where a custom resource keeps it says the parameter podTemplates, by resource and group, as in
#   {"rollouts.argoproj.io": "spec.template"}; any other kind is taken to keep it where Deployment does, so that custom
#   workloads of that shape are covered as well.
pod_template_path := _declared_path if {
	_declared_path
} else := "" if {
	input.request.kind.kind == "Pod"
} else := "spec.jobTemplate.spec.template" if {
	input.request.kind.kind == "CronJob"
} else := "template" if {
	input.request.kind.kind == "PodTemplate"
} else := "spec.template"

# Nothing is put together where nothing is declared.
_declared_path := path if {
	some resource, path in input.parameters.podTemplates
	resource == concat(".", [input.request.resource.resource, input.request.resource.group])
}

# METADATA
# title: Path of the Pod specification
# description: Where the object keeps its Pod specification, for example spec.template.spec; see pod_template_path.
pod_spec_path := "spec" if {
	pod_template_path == ""
} else := concat("", [pod_template_path, ".spec"])

# METADATA
# title: Pod template
# description: >-
#   What has the metadata and the specification of Pods: a Pod itself, or the template of a workload (Deployment, ReplicaSet,
#   StatefulSet, DaemonSet, Job, CronJob, ReplicationController), of a PodTemplate or of a custom resource. Undefined for an
#   object without one.
pod_template := template if {
	input.parameters.podTemplates
	walk(object, [split(_declared_path, "."), template])
}

pod_template := _known_template if not _declared_path

_known_template := object if {
	input.request.kind.kind == "Pod"
} else := object.spec.jobTemplate.spec.template if {
	input.request.kind.kind == "CronJob"
} else := object.template if {
	input.request.kind.kind == "PodTemplate"
} else := object.spec.template

# METADATA
# title: Pod specification
# description: The specification of the Pod, or of the Pods that come of the object; undefined for an object without one.
pod_spec := spec if {
	spec := pod_template.spec
	is_object(spec)
}

# METADATA
# title: Service account
# description: >-
#   The name of the service account as which a Pod of this specification runs: serviceAccount is the old name of the field and counts
#   where serviceAccountName is empty, and default is the account of whoever names none.
service_account(spec) := spec.serviceAccountName if {
	is_string(spec.serviceAccountName)
	spec.serviceAccountName != ""
} else := spec.serviceAccount if {
	is_string(spec.serviceAccount)
	spec.serviceAccount != ""
} else := "default"

# METADATA
# title: Annotations of the Pod
# description: The annotations of the Pod, or of the Pods that come of the object; an empty object when they have none.
default pod_annotations := {}

pod_annotations := pod_template.metadata.annotations if is_object(pod_template.metadata.annotations)

# METADATA
# title: Labels of the Pod
# description: The labels of the Pod, or of the Pods that come of the object; an empty object when they have none.
default pod_labels := {}

pod_labels := pod_template.metadata.labels if is_object(pod_template.metadata.labels)

# METADATA
# title: Containers
# description: >-
#   Every container of the Pod specification, in the order init containers, containers, ephemeral containers. Each entry has
#   the container itself, its path, and, ready for a message, its name and its kind in words. The name is empty where it is
#   missing, so that a message can always be made.
containers := [entry |
	pod := pod_spec
	base := pod_spec_path
	some [field, kind, at] in [
		["initContainers", "init container", ".initContainers["],
		["containers", "container", ".containers["],
		["ephemeralContainers", "ephemeral container", ".ephemeralContainers["],
	]
	some i, container in pod[field]
	name := [text | text := container.name; is_string(text)]
	entry := {
		"container": container,
		"kind": kind,
		"name": concat("", name),
		"path": concat("", [base, at, json.marshal(i), "]"]),
	}
]

# METADATA
# title: Volumes
# description: >-
#   Every volume of the Pod specification. Each entry has the volume itself, its path, and, ready for a message, its name, which
#   is empty where it is missing.
volumes := [entry |
	base := pod_spec_path
	some i, volume in pod_spec.volumes
	name := [text | text := volume.name; is_string(text)]
	entry := {
		"name": concat("", name),
		"path": concat("", [base, ".volumes[", json.marshal(i), "]"]),
		"volume": volume,
	}
]

# METADATA
# title: Images
# description: >-
#   Every image the object would run or mount, each with its path, and with the kind and the name of what has it, ready for a
#   message: containers of every kind, image volumes and, in an image review, the containers it lists. Those have neither path
#   nor name, because the review does not say where in the Pod they are. What these images are called is in
#   data.portcullis.images.
images := array.concat(_reviewed_images, array.concat(_container_images, _volume_images))

_container_images := [{
	"image": entry.container.image,
	"kind": entry.kind,
	"name": entry.name,
	"path": concat("", [entry.path, ".image"]),
} |
	some entry in containers
]

_volume_images := [{
	"image": entry.volume.image.reference,
	"kind": "volume",
	"name": entry.name,
	"path": concat("", [entry.path, ".image.reference"]),
} |
	some entry in volumes
]

_reviewed_images := [{"image": container.image, "kind": "container", "name": "", "path": ""} |
	some container in input.spec.containers
]

# METADATA
# title: Text of a member
# description: The text that an object has as one of its members, empty where it has none or something else, as null.
text(of, member) := of[member] if {
	is_string(of[member])
} else := ""

# object.get cannot be called here: in this package the name object is the rule above.
_or_else(from, key, otherwise) := value if {
	value := from[key]
} else := otherwise
