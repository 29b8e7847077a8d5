# METADATA
# title: Roles name what they grant
# description: >-
#   A star in a role grants what exists today and whatever is installed tomorrow: every verb, every resource, Secrets among them.
#   Roles and ClusterRoles name verbs, resources and API groups. All resources of an API group may be granted where the group is in
#   the parameter, as an operator does with its own.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/security/rbac-good-practices/#least-privilege
#   description: Least privilege
# custom:
#   portcullis:
#     severity: high
#     controls: [cis-1.9/5.1.3, nsa/rbac]
#     match: {resources: [roles.rbac.authorization.k8s.io, clusterroles.rbac.authorization.k8s.io]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         fields:
#           description: The fields of a rule in which a star is refused.
#           type: array
#           items: {type: string, enum: [verbs, resources, apiGroups, nonResourceURLs]}
#           default: [verbs, resources, apiGroups, nonResourceURLs]
#         allowedGroups:
#           description: API groups of which all resources, and with them all verbs, may be granted.
#           type: array
#           items: {type: string, minLength: 1}
#           default: []
#         exemptRoles:
#           description: >-
#             Roles that are not judged, as ClusterRole/NAME or Role/NAMESPACE/NAME, in which a star stands for any text.
#           type: array
#           items: {type: string, pattern: "^(ClusterRole/|Role/[a-z0-9*-]+/)[a-zA-Z0-9._:*-]+$"}
#           default: [ClusterRole/cluster-admin]
#       examples:
#       - allowedGroups: [example.com]
package portcullis.library.rbac.no_wildcards

import data.portcullis.kubernetes

deny contains {"message": message, "field": field} if {
	some i, rule in kubernetes.object.rules
	some name in input.parameters.fields
	some j, value in rule[name]
	stands_for_all(value)
	not owned(rule, name)
	not exempt
	field := sprintf("rules[%d].%s[%d]", [i, name, j])
	message := sprintf("%q in the %s of a rule grants more than anybody can foresee; name what is needed", [value, name])
}

stands_for_all(value) if {
	is_string(value)
	endswith(value, "*")
}

# All scales, or statuses, of whatever there is.
stands_for_all(value) if {
	is_string(value)
	startswith(value, "*/")
}

# What an operator may do with everything of its own.
owned(rule, name) if {
	name in {"verbs", "resources"}
	rule.apiGroups[0]
	every group in rule.apiGroups {
		group in input.parameters.allowedGroups
	}
}

exempt if {
	some pattern in input.parameters.exemptRoles
	glob.match(pattern, null, qualified)
}

qualified := sprintf("Role/%s/%s", [kubernetes.namespace, kubernetes.object.metadata.name]) if {
	input.request.kind.kind == "Role"
} else := sprintf("ClusterRole/%s", [kubernetes.object.metadata.name])
