# METADATA
# scope: package
# title: What the Pod Security Standards speak of
# description: >-
#   What the rules of the Pod Security Standards have in common: versions, the places of a security context, and which Pods some
#   rules are relaxed for. Import it as data.portcullis.pod_security.
package portcullis.pod_security

import data.portcullis.kubernetes

# METADATA
# title: Since
# description: >-
#   Whether a version of the standards, v1.30 or latest, is that of a minor release of Kubernetes or newer.
since(version, minor) if {
	version == "latest"
} else if {
	to_number(trim_prefix(version, "v1.")) >= minor
}

# METADATA
# title: Holders of a security context
# description: >-
#   What may have a securityContext: the Pod specification and every container, as entries of kubernetes.containers; that of the
#   Pod specification is of the kind Pod and has no name. Empty for an object without a Pod specification.
holders := [holder |
	some list in [_pod, kubernetes.containers]
	some holder in list
]

_pod := [{"container": kubernetes.pod_spec, "kind": "Pod", "name": "", "path": kubernetes.pod_spec_path}]

# METADATA
# title: Who
# description: What a message calls the holder of a security context, the Pod or container "app".
who(holder) := "the Pod" if {
	holder.kind == "Pod"
} else := sprintf("%s %q", [holder.kind, holder.name])

# METADATA
# title: In a user namespace
# description: >-
#   Whether the Pod has a user namespace of its own, in which root is nobody to the node.
in_user_namespace if kubernetes.pod_spec.hostUsers == false

# METADATA
# title: Windows
# description: Whether the Pod says that it is for nodes with Windows, where what is Linux's cannot be set.
windows if kubernetes.pod_spec.os.name == "windows"

# METADATA
# title: Annotation
# description: The path of an annotation of the Pod, for a finding.
annotation(key) := sprintf("%s[%s]", [concat(".", [part | some part in [kubernetes.pod_template_path, "metadata.annotations"]; part != ""]), key])
