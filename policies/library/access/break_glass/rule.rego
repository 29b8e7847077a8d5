# METADATA
# title: Break glass
# description: >-
#   For a limited time and a stated reason, somebody may do what RBAC does not let them. A grant names who, until when, which
#   verbs, resources and namespaces; once it has expired it grants nothing, without anybody taking it away. The API server
#   keeps an answer for a while: set cacheAuthorizedRequests to false for this webhook, or the last minutes of a grant
#   outlast it.
# related_resources:
# - ref: https://kubernetes.io/docs/reference/access-authn-authz/authorization/#configuring-the-api-server-using-an-authorization-config-file
#   description: AuthorizationConfiguration
# custom:
#   portcullis:
#     severity: high
#     match: {stage: grant, resources: ["*"], operations: ["*"]}
#     parameters:
#       type: object
#       additionalProperties: false
#       required: [grants]
#       properties:
#         grants:
#           description: The grants, each for a user or for a group.
#           type: array
#           items:
#             type: object
#             additionalProperties: false
#             required: [until, verbs, resources, namespaces, reason]
#             oneOf:
#             - required: [user]
#             - required: [group]
#             properties:
#               user:
#                 description: The name of the user.
#                 type: string
#                 minLength: 1
#               group:
#                 description: The name of a group, all of whose members have the grant.
#                 type: string
#                 minLength: 1
#               until:
#                 description: When the grant ends, as RFC 3339 has it.
#                 type: string
#                 format: deadline
#               verbs:
#                 description: >-
#                   The verbs. A star stands for get, list, watch, create, update, patch, delete and deletecollection;
#                   others, as impersonate, are named.
#                 type: array
#                 items: {type: string, anyOf: [{format: verb}, {const: "*"}]}
#               resources:
#                 description: >-
#                   The resources, as pods or deployments.apps. A star stands for all of them, but for no subresource; those
#                   are named, as pods/exec.
#                 type: array
#                 items: {type: string, anyOf: [{format: resource}, {const: "*"}]}
#               namespaces:
#                 description: >-
#                   The namespaces, as globs in which a star stands for any text. A star alone stands for all of them and for what is
#                   in none.
#                 type: array
#                 items: {type: string, format: namespace-glob}
#               reason:
#                 description: Why, for the audit log.
#                 type: string
#                 minLength: 1
#       examples:
#       - grants:
#         - user: anna
#           until: "2099-12-31T18:00:00Z"
#           verbs: [get, create]
#           resources: [pods, pods/exec]
#           namespaces: [shop]
#           reason: incident 4711
package portcullis.library.access.break_glass

import data.portcullis.kubernetes

allow contains reason if {
	some grant in input.parameters.grants
	for_user(grant)
	time.now_ns() < time.parse_rfc3339_ns(grant.until)
	covers(grant.verbs, attributes.verb, attributes.verb in ordinary_verbs)
	covers(grant.resources, resource, object.get(attributes, "subresource", "") == "")
	within(grant.namespaces)
	reason := sprintf("granted until %s: %s", [grant.until, grant.reason])
}

attributes := input.spec.resourceAttributes

for_user(grant) if grant.user == kubernetes.user.username

for_user(grant) if grant.group in kubernetes.user.groups

# Whether a list names a value, or has a star that may stand for it. A star in the question asks for everything, and is named by no list.
covers(list, value, _) if {
	value in list
	not contains(value, "*")
}

covers(list, _, true) if "*" in list

within(namespaces) if "*" in namespaces

within(namespaces) if {
	is_string(kubernetes.namespace)
	kubernetes.namespace != ""
	not contains(kubernetes.namespace, "*")
	some pattern in namespaces
	glob.match(pattern, null, kubernetes.namespace)
}

ordinary_verbs := {"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}

# The resource as a grant spells it: deployments.apps/scale.
resource := concat("", [attributes.resource, suffix(".", "group"), suffix("/", "subresource")])

suffix(separator, key) := concat("", [separator, attributes[key]]) if attributes[key] != ""

else := ""
