# METADATA
# scope: package
# title: Who asks
# description: >-
#   What policies ask of the user of a review, on admission and at the access stages. Import it as data.portcullis.users. A
#   review without a user is of nobody: in no group, and no service account.
package portcullis.users

import data.portcullis.kubernetes

# METADATA
# title: Service account
# description: >-
#   The namespace and the name of the service account that asks; undefined where another user does.
service_account := {"namespace": namespace, "name": name} if ["system", "serviceaccount", namespace, name] = split(kubernetes.username, ":")

# METADATA
# title: Node
# description: The name of the node whose kubelet asks; undefined where another user does.
node := name if {
	"system:nodes" in kubernetes.groups
	["system", "node", name] = split(kubernetes.username, ":")
}

# METADATA
# title: Of a group
# description: Whether who asks is in one of the groups.
of_group(groups) if {
	some group in kubernetes.groups
	group in groups
}

# METADATA
# title: Named
# description: >-
#   Whether the name of who asks is like one of the patterns, in which a star stands for any text, as
#   system:serviceaccount:ci:*. A review without a user is like none.
named(patterns) if {
	is_string(kubernetes.username)
	kubernetes.username != ""
	some pattern in patterns
	glob.match(pattern, null, kubernetes.username)
}

# METADATA
# title: Anonymous
# description: Whether who asks did not say who it is.
anonymous if kubernetes.username == "system:anonymous"

anonymous if "system:unauthenticated" in kubernetes.groups

# METADATA
# title: Of the system
# description: >-
#   Whether a part of Kubernetes itself asks: its name begins with system:, and it is neither a service account of somebody's
#   namespace nor anonymous. Those of kube-system, which the controllers of the control plane use, are of the system.
of_system if {
	startswith(kubernetes.username, "system:")
	not anonymous
	not _of_a_namespace
}

_of_a_namespace if service_account.namespace != "kube-system"
