# METADATA
# title: Sealed namespaces
# description: >-
#   Nobody reads the Secrets of a sealed namespace through the API, cluster administrators included; only the named users and
#   groups do, which by default are the components of Kubernetes that cannot do without. A list or watch of all namespaces
#   would include the sealed ones and is refused as well. Nor does anybody impersonate those whom this policy does not stop,
#   members of system:masters among them, or have a token made of such a service account. It does not stop other ways to what
#   a Secret holds, so keep them scarce: to create Pods in a sealed namespace, to open a shell in them, to reach them through
#   nodes/proxy; the same, and to read Secrets of the type service-account-token, in the namespaces of the service accounts
#   excepted, as kube-system, which can be sealed too; to approve certificates of the users and groups excepted; and to read
#   etcd. Who belongs to system:masters is never asked about and cannot be kept out.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/security/secrets-good-practices/
#   description: Good practices for Secrets
# - ref: https://kubernetes.io/docs/reference/access-authn-authz/user-impersonation/
#   description: User impersonation
# custom:
#   portcullis:
#     severity: critical
#     controls: [cis-1.9/5.1.2]
#     match:
#       stage: guard
#       resources:
#       - secrets
#       - users.core
#       - groups.core
#       - serviceaccounts
#       - serviceaccounts/token
#       - users.authentication.k8s.io
#       - groups.authentication.k8s.io
#       - serviceaccounts.authentication.k8s.io
#       - nodes.authentication.k8s.io
#       operations: ["*"]
#     parameters:
#       type: object
#       additionalProperties: false
#       required: [namespaces]
#       properties:
#         namespaces:
#           description: The sealed namespaces.
#           type: array
#           minItems: 1
#           items: {type: string, format: namespace}
#         exceptUsers:
#           description: Users who may read the Secrets all the same.
#           type: array
#           items: {type: string, minLength: 1}
#           default: [system:kube-controller-manager]
#         exceptGroups:
#           description: Groups whose members may read the Secrets all the same.
#           type: array
#           items: {type: string, minLength: 1}
#           default: [system:nodes, system:serviceaccounts:kube-system]
#         unaskedUsers:
#           description: >-
#             Users the guard is not asked about, because the API server's matchConditions leave them out, and whom nobody may
#             impersonate for that. A star stands for any text.
#           type: array
#           items: {type: string, minLength: 1, format: glob}
#           default: [portcullis, "system:serviceaccount:portcullis:portcullis", system:apiserver, "system:kube-*"]
#         unaskedGroups:
#           description: Groups the guard is not asked about, as unaskedUsers. Beside them there is always system:masters.
#           type: array
#           items: {type: string, minLength: 1}
#           default: [system:nodes, system:serviceaccounts:kube-system]
#       examples:
#       - namespaces: [vault, payments]
package portcullis.library.access.sealed_namespaces

import data.portcullis.kubernetes

deny contains message if {
	reads_secrets
	attributes.namespace in input.parameters.namespaces
	not excepted
	message := sprintf("namespace %q is sealed: nobody reads its Secrets through the API; mount them in Pods", [attributes.namespace])
}

deny contains message if {
	reads_secrets
	namespace == ""
	not excepted
	message := "Secrets of all namespaces would include those of sealed namespaces; ask for those of one namespace"
}

deny contains message if {
	impersonates
	not excepted
	some who in unstopped
	message := sprintf("nobody acts as %s while namespaces are sealed: it is not kept from their Secrets; act as somebody else", [who])
}

deny contains message if {
	makes_a_token
	not excepted
	some who in unstopped_accounts
	message := sprintf("nobody has a token made of %s while namespaces are sealed: it is not kept from their Secrets; use another account", [who])
}

attributes := input.spec.resourceAttributes

namespace := kubernetes.text(attributes, "namespace")

name := kubernetes.text(attributes, "name")

# A question without a name is about all of them; so is one with a star.
everyone if name in {"", "*"}

# A star in a question means any of them, so it includes the Secrets and the reading. Every verb but two reads: the answer to a
# patch, and to a delete that has to wait or is a dry run, is the whole Secret.
reads_secrets if {
	attributes.resource in {"secrets", "*"}
	object.get(attributes, "group", "") in {"", "*"}
	not writes
}

writes if attributes.verb in {"create", "update"}

# What somebody wants to do as somebody else is asked about first: "impersonate-on:user-info:create".
writes if {
	startswith(kubernetes.text(attributes, "verb"), "impersonate-on:")
	split(attributes.verb, ":")[2] in {"create", "update"}
}

impersonates if attributes.verb in {"impersonate", "*"}

# Since Kubernetes 1.35 there is a verb for each way: "impersonate:user-info".
impersonates if startswith(kubernetes.text(attributes, "verb"), "impersonate:")

makes_a_token if {
	attributes.verb in {"create", "*"}
	attributes.resource in {"serviceaccounts", "*"}
	object.get(attributes, "subresource", "") in {"token", "*"}
}

# Whom the question names, of those who are not stopped.
unstopped contains sprintf("user %q", [name]) if {
	attributes.resource in {"users", "*"}
	unstopped_user(name)
}

unstopped contains "every user" if {
	attributes.resource in {"users", "*"}
	everyone
}

unstopped contains sprintf("group %q", [name]) if {
	attributes.resource in {"groups", "*"}
	unstopped_group(name)
}

unstopped contains "every group" if {
	attributes.resource in {"groups", "*"}
	everyone
}

# A node is impersonated by its own name, or a star for the one a service account is on, and is in this group.
unstopped contains sprintf("node %q", [name]) if {
	attributes.resource in {"nodes", "*"}
	unstopped_group("system:nodes")
}

unstopped contains sprintf("node %q", [name]) if {
	attributes.resource in {"nodes", "*"}
	unstopped_user(sprintf("system:node:%s", [name]))
}

unstopped contains who if {
	attributes.resource in {"serviceaccounts", "*"}
	some who in unstopped_accounts
}

unstopped_accounts contains sprintf("service account %q of namespace %q", [name, namespace]) if {
	unstopped_user(sprintf("system:serviceaccount:%s:%s", [namespace, name]))
}

unstopped_accounts contains sprintf("service account %q of namespace %q", [name, namespace]) if {
	some group in {"system:serviceaccounts", sprintf("system:serviceaccounts:%s", [namespace])}
	unstopped_group(group)
}

unstopped_accounts contains "every service account" if {
	everyone
	namespace in {"", "*"}
}

unstopped_accounts contains sprintf("every service account of namespace %q", [namespace]) if {
	everyone
	some user in array.concat(input.parameters.exceptUsers, input.parameters.unaskedUsers)
	startswith(user, sprintf("system:serviceaccount:%s:", [namespace]))
}

unstopped_user(user) if user in input.parameters.exceptUsers

unstopped_user(user) if {
	some pattern in input.parameters.unaskedUsers
	glob.match(pattern, null, user)
}

unstopped_group("system:masters")

unstopped_group(group) if group in array.concat(input.parameters.exceptGroups, input.parameters.unaskedGroups)

excepted if input.spec.user in input.parameters.exceptUsers

excepted if {
	some group in input.spec.groups
	group in input.parameters.exceptGroups
}
