# METADATA
# title: Nothing is granted to everybody
# description: >-
#   What is bound to system:anonymous or system:unauthenticated is open to whoever reaches the API server, and what is bound to
#   system:masters adds to a group that no policy and no revocation reaches. Subjects of the parameters are in no RoleBinding and
#   ClusterRoleBinding; add system:authenticated, which is everybody with any account, where that is too many.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/security/rbac-good-practices/#hardening
#   description: Bindings to unauthenticated users
# custom:
#   portcullis:
#     severity: critical
#     controls: [cis-1.9/5.1.7, nsa/rbac]
#     match: {resources: [rolebindings.rbac.authorization.k8s.io, clusterrolebindings.rbac.authorization.k8s.io]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         users:
#           description: Users to whom nothing may be bound.
#           type: array
#           items: {type: string, minLength: 1}
#           default: ["system:anonymous"]
#         groups:
#           description: Groups to which nothing may be bound.
#           type: array
#           items: {type: string, minLength: 1}
#           default: ["system:unauthenticated", "system:masters"]
#         exemptRoles:
#           description: Roles and ClusterRoles that may be bound to everybody, by name.
#           type: array
#           items: {type: string, minLength: 1}
#           default: ["system:public-info-viewer"]
package portcullis.library.rbac.public_bindings

import data.portcullis.kubernetes

deny contains {"message": message, "field": field} if {
	some i, subject in kubernetes.object.subjects
	refused(subject)
	role := object.get(kubernetes.object, ["roleRef", "name"], "")
	not role in input.parameters.exemptRoles
	field := sprintf("subjects[%d]", [i])
	message := sprintf("the role %q is bound to %s %q, which nothing may be bound to; name those who need it", [
		role,
		lower(subject.kind),
		subject.name,
	])
}

refused(subject) if {
	subject.kind == "User"
	subject.name in input.parameters.users
}

refused(subject) if {
	subject.kind == "Group"
	subject.name in input.parameters.groups
}
