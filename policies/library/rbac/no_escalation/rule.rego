# METADATA
# title: Roles do not grant the way to all others
# description: >-
#   Some permissions are as good as many others: who may impersonate is whom they like, who may read Secrets has the tokens in them,
#   who may open a shell acts as the Pod. Roles and ClusterRoles do not grant those of the parameter, neither by name nor by a
#   star. Names in resourceNames keep a permission on Secrets, tokens and shells within bounds, and are accepted there.
#   To have Secrets patched or deleted counts as reading, since the API server answers with what they were.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/security/rbac-good-practices/#privilege-escalation-risks
#   description: Permissions that lead to others
# custom:
#   portcullis:
#     severity: high
#     controls:
#     - cis-1.9/5.1.2
#     - cis-1.9/5.1.8
#     - cis-1.9/5.1.9
#     - cis-1.9/5.1.10
#     - cis-1.9/5.1.11
#     - cis-1.9/5.1.12
#     - cis-1.9/5.1.13
#     - nsa/rbac
#     match: {resources: [roles.rbac.authorization.k8s.io, clusterroles.rbac.authorization.k8s.io]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         refused:
#           description: >-
#             What may not be granted: to bind roles (bind), to write permissions one does not have into them (escalate), to act as
#             others (impersonate), to read Secrets (secrets), to have tokens made of service accounts (tokens), to run commands in
#             Pods (exec), to reach nodes through the API server (nodes), to approve and sign certificates (certificates), to change
#             webhooks and admission policies (webhooks), to make PersistentVolumes (volumes), to create Pods and workloads (pods).
#           type: array
#           items:
#             type: string
#             enum: [bind, escalate, impersonate, secrets, tokens, exec, nodes, certificates, webhooks, volumes, pods]
#           default: [bind, escalate, impersonate, secrets, tokens, exec, nodes, certificates, webhooks, volumes]
#         exemptRoles:
#           description: >-
#             Roles that are not judged, as ClusterRole/NAME or Role/NAMESPACE/NAME, in which a star stands for any text.
#           type: array
#           items: {type: string, pattern: "^(ClusterRole/|Role/[a-z0-9*-]+/)[a-zA-Z0-9._:*-]+$"}
#           default: [ClusterRole/cluster-admin, ClusterRole/admin, ClusterRole/edit]
#       examples:
#       - exemptRoles: [Role/shop/operator]
package portcullis.library.rbac.no_escalation

import data.portcullis.kubernetes

deny contains {"message": message, "field": field} if {
	some i, rule in kubernetes.object.rules
	found := [entry |
		some refused in input.parameters.refused
		some way in ways[refused]
		entry := granted(rule, refused, way)
	]
	count(found) > 0
	not exempt
	field := sprintf("rules[%d]", [i])
	message := sprintf("the role lets its holders %s; take %s on %s out of it", [
		concat(", ", [means[refused] | some refused in input.parameters.refused; refused in {entry.refused | some entry in found}]),
		concat(", ", [verb | some verb in rule.verbs; verb in union({entry.verbs | some entry in found})]),
		concat(", ", [resource | some resource in rule.resources; resource in union({entry.resources | some entry in found})]),
	])
}

granted(rule, refused, way) := {"refused": refused, "verbs": verbs, "resources": resources} if {
	resources := named(rule.resources, way.resources)
	count(resources) > 0
	verbs := named(rule.verbs, way.verbs)
	count(verbs) > 0
	count(named(rule.apiGroups, way.groups)) > 0
	not narrow(rule, refused)
}

means := {
	"bind": "give themselves any role",
	"escalate": "write permissions into roles that they do not have",
	"impersonate": "act as others",
	"secrets": "read Secrets",
	"tokens": "have tokens made of service accounts",
	"exec": "run commands in Pods",
	"nodes": "reach the kubelets of nodes and the Pods on them",
	"certificates": "have certificates made in the name of others",
	"webhooks": "see and change every request by a webhook or an admission policy",
	"volumes": "make PersistentVolumes, those of directories of nodes among them",
	"pods": "run Pods as every service account of the namespace",
}

authentication := {"", "authentication.k8s.io"}

rbac := {"rbac.authorization.k8s.io"}

impersonation := {
	"impersonate",
	"impersonate:user-info",
	"impersonate:serviceaccount",
	"impersonate:arbitrary-node",
	"impersonate:associated-node",
}

ways := {
	"bind": [{"verbs": {"bind"}, "groups": rbac, "resources": {"roles", "clusterroles"}}],
	"escalate": [{"verbs": {"escalate"}, "groups": rbac, "resources": {"roles", "clusterroles"}}],
	"impersonate": [{
		"verbs": impersonation,
		"groups": authentication,
		"resources": {"users", "groups", "serviceaccounts", "nodes", "uids", "userextras"},
	}],
	# The answer to a patch is the whole Secret, and so are those to a delete that has to wait or is a dry run.
	"secrets": [{
		"verbs": {"get", "list", "watch", "patch", "delete", "deletecollection"},
		"groups": {""},
		"resources": {"secrets"},
	}],
	"tokens": [{"verbs": {"create"}, "groups": {""}, "resources": {"serviceaccounts/token"}}],
	"exec": [
		{"verbs": {"create", "get"}, "groups": {""}, "resources": {"pods/exec", "pods/attach"}},
		{"verbs": {"update", "patch"}, "groups": {""}, "resources": {"pods/ephemeralcontainers"}},
	],
	"nodes": [{
		"verbs": {"get", "create", "update", "patch", "delete"},
		"groups": {""},
		"resources": {"nodes/proxy"},
	}],
	"certificates": [
		{"verbs": {"update", "patch"}, "groups": {"certificates.k8s.io"}, "resources": {"certificatesigningrequests/approval"}},
		{"verbs": {"approve", "sign"}, "groups": {"certificates.k8s.io"}, "resources": {"signers"}},
	],
	"webhooks": [{
		"verbs": {"create", "update", "patch"},
		"groups": {"admissionregistration.k8s.io"},
		"resources": {
			"mutatingwebhookconfigurations",
			"validatingwebhookconfigurations",
			"mutatingadmissionpolicies",
			"mutatingadmissionpolicybindings",
			"validatingadmissionpolicies",
			"validatingadmissionpolicybindings",
		},
	}],
	"volumes": [{"verbs": {"create"}, "groups": {""}, "resources": {"persistentvolumes"}}],
	"pods": [
		{"verbs": {"create"}, "groups": {""}, "resources": {"pods", "replicationcontrollers"}},
		{"verbs": {"create"}, "groups": {"apps"}, "resources": {"daemonsets", "deployments", "replicasets", "statefulsets"}},
		{"verbs": {"create"}, "groups": {"batch"}, "resources": {"cronjobs", "jobs"}},
	],
}

named(list, wanted) := {value | some value in list; is_string(value); includes(value, wanted)}

includes("*", _)

includes(value, wanted) if value in wanted

# RBAC reads */exec as that of every resource.
includes(value, wanted) if {
	startswith(value, "*/")
	some one in wanted
	endswith(one, substring(value, 1, -1))
}

# What is more of a user than names has its key for a subresource, as userextras/scopes.
includes(value, wanted) if {
	"userextras" in wanted
	split(value, "/")[0] in {"userextras", "*"}
}

# For RBAC the empty name is that of a list, and of whatever else names nothing.
narrow(rule, refused) if {
	refused in {"secrets", "tokens", "exec"}
	rule.resourceNames[0]
	every name in rule.resourceNames {
		name != ""
	}
}

exempt if {
	some pattern in input.parameters.exemptRoles
	glob.match(pattern, null, qualified)
}

qualified := sprintf("Role/%s/%s", [kubernetes.namespace, kubernetes.object.metadata.name]) if {
	input.request.kind.kind == "Role"
} else := sprintf("ClusterRole/%s", [kubernetes.object.metadata.name])
