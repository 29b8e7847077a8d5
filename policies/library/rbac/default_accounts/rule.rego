# METADATA
# title: Nothing is granted to default service accounts
# description: >-
#   What is bound to the service account default, every Pod of its namespace has that names no account, and what is bound to a
#   group of service accounts, those have as well. Bind to accounts by name.
# related_resources:
# - ref: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#service-account-permissions
#   description: Service account permissions
# custom:
#   portcullis:
#     severity: high
#     controls: [cis-1.9/5.1.5, nsa/rbac]
#     match: {resources: [rolebindings.rbac.authorization.k8s.io, clusterrolebindings.rbac.authorization.k8s.io]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         allowGroups:
#           description: >-
#             Whether something may be bound to system:serviceaccounts, which is every account of the cluster, and to
#             system:serviceaccounts:NAMESPACE.
#           type: boolean
#           default: false
#         exemptRoles:
#           description: Roles and ClusterRoles that may be bound to them, by name.
#           type: array
#           items: {type: string, minLength: 1}
#           default: ["system:service-account-issuer-discovery", "system:image-puller"]
package portcullis.library.rbac.default_accounts

import data.portcullis.kubernetes

deny contains {"message": message, "field": field} if {
	some i, subject in kubernetes.object.subjects
	who := those(subject)
	role := object.get(kubernetes.object, ["roleRef", "name"], "")
	not role in input.parameters.exemptRoles
	field := sprintf("subjects[%d]", [i])
	message := sprintf("the role %q is bound to %s; bind it to a service account of its own", [role, who])
}

those(subject) := sprintf("the service account default of namespace %q", [namespace]) if {
	subject.kind == "ServiceAccount"
	subject.name == "default"
	namespace := object.get(subject, "namespace", kubernetes.namespace)
}

# The same by its name as a user.
those(subject) := sprintf("the service account default of namespace %q", [parts[2]]) if {
	subject.kind == "User"
	is_string(subject.name)
	startswith(subject.name, "system:serviceaccount:")
	parts := split(subject.name, ":")
	parts[3] == "default"
}

those(subject) := sprintf("every service account of namespace %q", [trim_prefix(subject.name, "system:serviceaccounts:")]) if {
	subject.kind == "Group"
	is_string(subject.name)
	startswith(subject.name, "system:serviceaccounts:")
	not input.parameters.allowGroups
}

those(subject) := "every service account of the cluster" if {
	subject.kind == "Group"
	subject.name == "system:serviceaccounts"
	not input.parameters.allowGroups
}
