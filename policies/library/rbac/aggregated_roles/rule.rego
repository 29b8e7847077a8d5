# METADATA
# title: Nothing is added to the roles of others
# description: >-
#   A label adds what a ClusterRole grants to admin, edit or view, which everybody who holds one of these has from then on, in
#   every namespace. Only ClusterRoles of the parameter add to those. A selector of an aggregationRule for
#   which no label must be there, as an empty one, gathers what nearly every ClusterRole grants, and is refused.
# related_resources:
# - ref: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#aggregated-clusterroles
#   description: Aggregated ClusterRoles
# custom:
#   portcullis:
#     severity: medium
#     controls: [nsa/rbac]
#     match: {resources: [clusterroles.rbac.authorization.k8s.io]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         into:
#           description: The ClusterRoles to which not everything may be added.
#           type: array
#           items: {type: string, minLength: 1}
#           default: [cluster-admin, admin, edit, view]
#         roles:
#           description: ClusterRoles that may add to them, in which a star stands for any text.
#           type: array
#           items: {type: string, pattern: "^[a-zA-Z0-9._:*-]+$"}
#           default: ["system:aggregate-to-admin", "system:aggregate-to-edit", "system:aggregate-to-view", admin, edit]
#       examples:
#       - roles: ["operator-*"]
package portcullis.library.rbac.aggregated_roles

import data.portcullis.kubernetes
import data.portcullis.selectors

deny contains {"message": message, "field": field} if {
	some key, value in kubernetes.labels
	startswith(key, prefix)
	value == "true"
	role := trim_prefix(key, prefix)
	role in input.parameters.into
	not allowed
	field := sprintf("metadata.labels[%q]", [key])
	message := sprintf("the label %q gives what this ClusterRole grants to everybody with the role %s; bind it to those who need it", [
		key,
		role,
	])
}

deny contains {"message": message, "field": field} if {
	some i, selector in kubernetes.object.aggregationRule.clusterRoleSelectors
	not selectors.requires_label(selector)
	field := sprintf("aggregationRule.clusterRoleSelectors[%d]", [i])
	message := "a selector for which no label must be there gathers what nearly every ClusterRole grants; select by a label"
}

prefix := "rbac.authorization.k8s.io/aggregate-to-"

allowed if {
	is_string(kubernetes.object.metadata.name)
	some pattern in input.parameters.roles
	glob.match(pattern, null, kubernetes.object.metadata.name)
}
