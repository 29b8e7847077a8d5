# METADATA
# title: Who is on call
# description: >-
#   While a shift is on, its users and groups may do what they need to mend things, and before and after it no more than RBAC lets
#   them. Shifts come again each week, at the hours of a place with its summer time; one that ends before it begins ends on
#   the next day. The reason names the shift, for the audit log. The API server keeps an answer for a while, by which a shift
#   lasts longer.
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
#       required: [shifts, namespaces]
#       properties:
#         timeZone:
#           description: The time zone of days and hours, as Europe/Berlin.
#           type: string
#           format: time-zone
#           default: UTC
#         shifts:
#           description: The shifts, each of users, of groups or of both.
#           type: array
#           minItems: 1
#           items:
#             type: object
#             additionalProperties: false
#             required: [name, days, from, to]
#             anyOf:
#             - required: [users]
#             - required: [groups]
#             properties:
#               name:
#                 description: The name of the shift, for the audit log.
#                 type: string
#                 minLength: 1
#               users:
#                 description: The names of users.
#                 type: array
#                 items: {type: string, minLength: 1}
#               groups:
#                 description: The names of groups, all of whose members are on call.
#                 type: array
#                 items: {type: string, minLength: 1}
#               days:
#                 description: The days on which the shift begins.
#                 type: array
#                 minItems: 1
#                 items: {type: string, enum: [Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday]}
#               from:
#                 description: When it begins.
#                 type: string
#                 pattern: "^([01][0-9]|2[0-3]):[0-5][0-9]$"
#               to:
#                 description: When it ends; on the next day, if that is not after it begins.
#                 type: string
#                 pattern: "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"
#         verbs:
#           description: The verbs. There is no star for all of them.
#           type: array
#           minItems: 1
#           items: {type: string, format: verb}
#           default: [get, list, watch, create, update, patch, delete]
#         resources:
#           description: The resources and subresources, as pods, pods/exec or deployments.apps/scale. There is no star for all of them.
#           type: array
#           minItems: 1
#           items: {type: string, format: resource}
#           default:
#           - pods
#           - pods/exec
#           - pods/log
#           - pods/portforward
#           - events
#           - deployments.apps
#           - deployments.apps/scale
#           - statefulsets.apps
#           - statefulsets.apps/scale
#           - daemonsets.apps
#           - replicasets.apps
#           - jobs.batch
#         namespaces:
#           description: The namespaces, as globs in which a star stands for any text.
#           type: array
#           minItems: 1
#           items: {type: string, format: namespace-glob}
#       examples:
#       - timeZone: Europe/Berlin
#         shifts:
#         - name: shop, around the clock
#           groups: [shop-on-call]
#           days: [Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday]
#           from: "00:00"
#           to: "24:00"
#         namespaces: [shop, "shop-*"]
package portcullis.library.access.on_call

import data.portcullis.kubernetes

allow contains reason if {
	attributes.verb in input.parameters.verbs
	resource in input.parameters.resources
	kubernetes.namespace != ""
	some pattern in input.parameters.namespaces
	glob.match(pattern, null, kubernetes.namespace)
	kubernetes.namespace != "*"
	some shift in input.parameters.shifts
	of(shift)
	on(shift)
	reason := sprintf("on call: %s", [shift.name])
}

attributes := input.spec.resourceAttributes

of(shift) if kubernetes.username in shift.users

of(shift) if {
	some group in kubernetes.groups
	group in shift.groups
}

on(shift) if {
	shift.from < shift.to
	today in shift.days
	shift.from <= clock
	clock < shift.to
}

# Over midnight: the evening of the day it begins on, or the morning after.
on(shift) if {
	shift.from >= shift.to
	today in shift.days
	shift.from <= clock
}

on(shift) if {
	shift.from >= shift.to
	yesterday in shift.days
	clock < shift.to
}

now := time.now_ns()

clock := time.format([now, input.parameters.timeZone, "15:04"])

today := time.weekday([now, input.parameters.timeZone])

# Days that are not 24 hours long do not matter at noon.
yesterday := time.weekday(noon - (((24 * 60) * 60) * 1000000000)) if {
	noon := time.parse_rfc3339_ns(concat("", [time.format([now, input.parameters.timeZone, "2006-01-02"]), "T12:00:00Z"]))
}

# The resource as the parameter spells it: deployments.apps/scale.
resource := concat("", [attributes.resource, suffix(".", "group"), suffix("/", "subresource")])

suffix(separator, key) := concat("", [separator, attributes[key]]) if {
	attributes[key] != ""
} else := ""
