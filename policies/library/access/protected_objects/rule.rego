# METADATA
# title: Protected objects
# description: >-
#   Some objects are not changed or deleted by anybody but those excepted, whatever RBAC says: a namespace, the role bindings of
#   operations, a database. They are known by resource, namespace and name. Who asks to delete a collection, or about all
#   names, would reach the protected ones among them and is refused as well. A question about access has
#   no object, and so nothing of its labels or annotations: metadata.deletion_protection protects by those, at admission, from
#   deletion, and metadata.guarded_keys keeps them from being changed.
#   Verbs on a subresource count where that is listed: statefulsets.apps/scale and statefulsets.apps/status, namespaces/finalize and, with create
#   among the verbs, pods/eviction are ways to an object too. It does not stop other ways round it, so keep them scarce: to impersonate
#   one of those excepted, or have a token made of such a service account, and to delete the namespace that an object is in, which is
#   best protected itself. Who belongs to system:masters is never asked about.
# related_resources:
# - ref: https://kubernetes.io/docs/reference/access-authn-authz/authorization/
#   description: Authorization
# custom:
#   portcullis:
#     severity: high
#     match: {stage: guard, resources: ["*"], operations: ["*"]}
#     parameters:
#       type: object
#       additionalProperties: false
#       required: [objects]
#       properties:
#         objects:
#           description: The protected objects.
#           type: array
#           minItems: 1
#           items:
#             type: object
#             additionalProperties: false
#             required: [resource, names]
#             properties:
#               resource:
#                 description: The resource, as secrets, deployments.apps or deployments.apps/scale.
#                 type: string
#                 format: resource
#               namespaces:
#                 description: >-
#                   The namespaces, as globs in which a star stands for any text; all without it. Nothing is said of what is in no namespace.
#                 type: array
#                 minItems: 1
#                 items: {type: string, format: namespace-glob}
#               names:
#                 description: The names, as globs in which a star stands for any text.
#                 type: array
#                 minItems: 1
#                 items: {type: string, pattern: "^[a-z0-9.:*-]+$"}
#         verbs:
#           description: What nobody may do to them.
#           type: array
#           minItems: 1
#           items: {type: string, format: verb}
#           default: [update, patch, delete, deletecollection]
#         exceptUsers:
#           description: Users who may all the same, as globs in which a star stands for any text.
#           type: array
#           items: {type: string, pattern: "^[a-zA-Z0-9:@._/*-]+$"}
#           default: [system:kube-controller-manager, "system:serviceaccount:kube-system:*", system:apiserver]
#         exceptGroups:
#           description: Groups whose members may all the same.
#           type: array
#           items: {type: string, minLength: 1}
#           default: []
#       examples:
#       - objects:
#         - {resource: namespaces, names: [payments, "prod-*"]}
#         - {resource: statefulsets.apps, namespaces: [payments], names: [ledger]}
#         exceptGroups: [operations]
package portcullis.library.access.protected_objects

import data.portcullis.kubernetes
import data.portcullis.users

deny contains message if {
	attributes
	acts
	some guarded in input.parameters.objects
	of_resource(guarded.resource)
	within(guarded)
	some name in guarded.names
	meant(name)
	not excepted
	message := sprintf("%s %q is protected: %s may not %s it; ask somebody who may", [
		guarded.resource,
		name,
		kubernetes.username,
		attributes.verb,
	])
}

attributes := input.spec.resourceAttributes

acts if attributes.verb == "*"

acts if attributes.verb in input.parameters.verbs

# A star in the question is any resource, group or subresource.
of_resource(listed) if {
	[path, subresource] := array.slice(array.concat(split(listed, "/"), [""]), 0, 2)
	[resource, group] := parts(path)
	attributes.resource in {resource, "*"}
	object.get(attributes, "group", "") in {group, "*"}
	object.get(attributes, "subresource", "") in {subresource, "*"}
}

parts(path) := [path, ""] if not contains(path, ".")

parts(path) := [substring(path, 0, at), substring(path, at + 1, -1)] if {
	at := indexof(path, ".")
	at > 0
}

within(guarded) if not guarded.namespaces

# A question without a namespace is about all of them.
within(guarded) if {
	count(guarded.namespaces) > 0
	kubernetes.namespace in {"", "*"}
}

within(guarded) if {
	is_string(kubernetes.namespace)
	some pattern in guarded.namespaces
	glob.match(pattern, null, kubernetes.namespace)
}

# A question without a name is about all of them.
meant(_) if kubernetes.text(attributes, "name") in {"", "*"}

meant(pattern) if glob.match(pattern, null, kubernetes.text(attributes, "name"))

excepted if users.named(input.parameters.exceptUsers)

excepted if users.of_group(input.parameters.exceptGroups)
