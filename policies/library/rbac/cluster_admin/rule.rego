# METADATA
# title: Few are cluster administrators
# description: >-
#   The role cluster-admin may do everything, in a RoleBinding everything in its namespace. It, and what else the parameter names,
#   is bound to the subjects of the other parameter and to nobody else.
# related_resources:
# - ref: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#user-facing-roles
#   description: User-facing roles
# custom:
#   portcullis:
#     severity: critical
#     controls: [cis-1.9/5.1.1, nsa/rbac]
#     match: {resources: [rolebindings.rbac.authorization.k8s.io, clusterrolebindings.rbac.authorization.k8s.io]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         roles:
#           description: The ClusterRoles that are bound to few.
#           type: array
#           items: {type: string, minLength: 1}
#           default: [cluster-admin]
#         subjects:
#           description: >-
#             To whom they may be bound, as User/NAME, Group/NAME or ServiceAccount/NAMESPACE/NAME. There are no wildcards.
#           type: array
#           items: {type: string, pattern: "^(User/|Group/|ServiceAccount/[a-z0-9-]+/)[^*]+$"}
#           default: ["Group/system:masters", "Group/kubeadm:cluster-admins"]
#       examples:
#       - subjects: ["Group/system:masters", Group/platform, ServiceAccount/gitops/deployer]
package portcullis.library.rbac.cluster_admin

import data.portcullis.kubernetes

deny contains {"message": message, "field": field} if {
	role := kubernetes.object.roleRef.name
	role in input.parameters.roles
	not kubernetes.object.roleRef.kind == "Role"
	some i, subject in kubernetes.object.subjects
	who := qualified(subject)
	not who in input.parameters.subjects
	field := sprintf("subjects[%d]", [i])
	message := sprintf("%s may not be bound to the role %s; bind a role that grants what is needed", [who, role])
}

qualified(subject) := sprintf("ServiceAccount/%s/%s", [
	namespace(subject),
	kubernetes.text(subject, "name"),
]) if {
	subject.kind == "ServiceAccount"
} else := sprintf("%s/%s", [kubernetes.text(subject, "kind"), kubernetes.text(subject, "name")])

namespace(subject) := subject.namespace if {
	kubernetes.text(subject, "namespace") != ""
} else := kubernetes.namespace
