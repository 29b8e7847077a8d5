# METADATA
# title: Changes within business hours
# description: >-
#   What changes while nobody is there breaks while nobody is there. In the namespaces of the parameter people change nothing outside of
#   the hours, nor while they are closed, as over the holidays. Components of Kubernetes, service accounts and nodes go on.
#   The hours are those of a place with its summer time, and the clock is the server's; the message names the time it
#   went by, so that an answer can be understood from the log. The API server keeps an answer for a while, by which hours
#   begin and end later.
# related_resources:
# - ref: https://kubernetes.io/docs/reference/access-authn-authz/authorization/
#   description: Authorization
# custom:
#   portcullis:
#     severity: low
#     match: {stage: guard, resources: ["*"], operations: ["*"]}
#     parameters:
#       type: object
#       additionalProperties: false
#       required: [namespaces]
#       properties:
#         namespaces:
#           description: Where changes are refused, as globs in which a star stands for any text.
#           type: array
#           minItems: 1
#           items: {type: string, format: namespace-glob}
#         timeZone:
#           description: The time zone of days and hours, as Europe/Berlin.
#           type: string
#           format: time-zone
#           default: UTC
#         days:
#           description: The days on which the hours begin.
#           type: array
#           minItems: 1
#           items: {type: string, enum: [Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday]}
#           default: [Monday, Tuesday, Wednesday, Thursday, Friday]
#         from:
#           description: When the hours begin.
#           type: string
#           pattern: "^([01][0-9]|2[0-3]):[0-5][0-9]$"
#           default: "09:00"
#         to:
#           description: When the hours end; on the next day, if that is not after they begin.
#           type: string
#           pattern: "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"
#           default: "17:00"
#         closed:
#           description: When nothing changes whatever the hours.
#           type: array
#           items:
#             type: object
#             additionalProperties: false
#             required: [from, until, reason]
#             format: from-until
#             properties:
#               from:
#                 description: When it begins, as RFC 3339 has it.
#                 type: string
#                 format: date-time
#               until:
#                 description: When it ends, as RFC 3339 has it.
#                 type: string
#                 format: deadline
#               reason:
#                 description: Why, for the message.
#                 type: string
#                 minLength: 1
#           default: []
#         verbs:
#           description: What changes something. A shell in a Pod is taken for a create, however it is asked for.
#           type: array
#           minItems: 1
#           items: {type: string, format: verb}
#           default: [create, update, patch, delete, deletecollection]
#         exceptUsers:
#           description: >-
#             Users who are not stopped, as globs in which a star stands for any text. Who does not say who it is, system:anonymous, is
#             never one of them.
#           type: array
#           items: {type: string, pattern: "^[a-zA-Z0-9:@._/*-]+$"}
#           default: ["system:*"]
#         exceptGroups:
#           description: Groups whose members are not stopped.
#           type: array
#           items: {type: string, minLength: 1}
#           default: []
#       examples:
#       - namespaces: ["prod-*"]
#         timeZone: Europe/Berlin
#         exceptGroups: [on-call]
#         closed:
#         - {from: "2024-12-20T16:00:00Z", until: "2099-01-07T08:00:00Z", reason: the holidays}
package portcullis.library.access.business_hours

import data.portcullis.kubernetes
import data.portcullis.users

deny contains message if {
	changes
	not open
	message := sprintf("nothing changes in namespace %q before the next business hours, %s from %s to %s %s; it is %s", [
		kubernetes.namespace,
		concat(", ", input.parameters.days),
		input.parameters.from,
		input.parameters.to,
		input.parameters.timeZone,
		time.format([now, input.parameters.timeZone, "Monday 15:04"]),
	])
}

deny contains message if {
	changes
	some period in input.parameters.closed
	now >= time.parse_rfc3339_ns(period.from)
	now < time.parse_rfc3339_ns(period.until)
	message := sprintf("nothing changes in namespace %q until %s: %s", [kubernetes.namespace, period.until, period.reason])
}

changes if {
	verb
	covered
	not excepted_user
	not users.of_group(input.parameters.exceptGroups)
}

# Who does not say who it is may be anybody.
excepted_user if {
	not users.anonymous
	users.named(input.parameters.exceptUsers)
}

# A star in the question is any verb.
verb if input.spec.resourceAttributes.verb in array.concat(input.parameters.verbs, ["*"])

# A shell is asked for by a get when it goes over a web socket, and lets one change what is in the container all the same.
verb if {
	"create" in input.parameters.verbs
	input.spec.resourceAttributes.resource == "pods"
	input.spec.resourceAttributes.subresource in {"exec", "attach"}
}

# What is in no namespace, or asked of all, is covered where all namespaces are.
covered if {
	kubernetes.namespace in {"", "*"}
	"*" in input.parameters.namespaces
}

# Nobody changes all namespaces at once but by "kubectl auth can-i"; the answer is that for the closed ones.
covered if kubernetes.namespace == "*"

covered if {
	is_string(kubernetes.namespace)
	some pattern in input.parameters.namespaces
	glob.match(pattern, null, kubernetes.namespace)
}

open if {
	input.parameters.from < input.parameters.to
	today in input.parameters.days
	input.parameters.from <= clock
	clock < input.parameters.to
}

# Over midnight: the evening of the day the hours begin on, or the morning after.
open if {
	input.parameters.from >= input.parameters.to
	today in input.parameters.days
	input.parameters.from <= clock
}

open if {
	input.parameters.from >= input.parameters.to
	yesterday in input.parameters.days
	clock < input.parameters.to
}

now := time.now_ns()

clock := time.format([now, input.parameters.timeZone, "15:04"])

today := time.weekday([now, input.parameters.timeZone])

# Days that are not 24 hours long do not matter at noon.
yesterday := time.weekday(noon - (((24 * 60) * 60) * 1000000000)) if {
	noon := time.parse_rfc3339_ns(concat("", [time.format([now, input.parameters.timeZone, "2006-01-02"]), "T12:00:00Z"]))
}
