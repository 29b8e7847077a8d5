# METADATA
# title: Self-service in one's own namespace
# description: >-
#   Who owns a namespace works in it without a role binding being made for each: the annotations of the namespace name its users
#   and groups. They may do what the parameters list, which is neither the Namespace itself nor roles, so that nobody makes
#   themselves or others an owner. Whoever may write the annotations of a namespace says whose it is: give that right to few.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/security/multi-tenancy/
#   description: Multi-tenancy
# custom:
#   portcullis:
#     severity: medium
#     match: {stage: grant, resources: ["*"], operations: ["*"]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         userAnnotation:
#           description: The annotation of a namespace with the names of its users, with commas between them.
#           type: string
#           format: annotation-key
#           default: portcullis.dev/owner-users
#         groupAnnotation:
#           description: The annotation of a namespace with the names of its groups, with commas between them.
#           type: string
#           format: annotation-key
#           default: portcullis.dev/owner-groups
#         verbs:
#           description: The verbs. There is no star for all of them.
#           type: array
#           minItems: 1
#           items: {type: string, format: verb, not: {enum: [impersonate, bind, escalate]}}
#           default: [get, list, watch, create, update, patch, delete, deletecollection]
#         resources:
#           description: >-
#             The resources and subresources, as pods, pods/log or deployments.apps/scale. There is no star for all of them, and none of
#             the group rbac.authorization.k8s.io.
#           type: array
#           minItems: 1
#           items:
#             type: string
#             format: resource
#             not: {pattern: "^namespaces(/.*)?$|[.]rbac[.]authorization[.]k8s[.]io(/.*)?$"}
#           default:
#           - pods
#           - pods/log
#           - services
#           - configmaps
#           - events
#           - persistentvolumeclaims
#           - deployments.apps
#           - deployments.apps/scale
#           - statefulsets.apps
#           - statefulsets.apps/scale
#           - replicasets.apps
#           - jobs.batch
#           - cronjobs.batch
#           - ingresses.networking.k8s.io
#           - horizontalpodautoscalers.autoscaling
package portcullis.library.access.self_service

import data.portcullis.kubernetes

allow contains reason if {
	attributes.verb in input.parameters.verbs
	resource in input.parameters.resources
	attributes.namespace == input.namespace.metadata.name
	owner
	reason := sprintf("%s owns the namespace %s", [kubernetes.username, attributes.namespace])
}

attributes := input.spec.resourceAttributes

owner if kubernetes.username in listed(input.parameters.userAnnotation)

owner if {
	some group in kubernetes.groups
	group in listed(input.parameters.groupAnnotation)
}

# Nobody is called by an empty name.
listed(annotation) := {trim_space(name) | some name in split(input.namespace.metadata.annotations[annotation], ",")} - {""}

# The resource as the parameter spells it: deployments.apps/scale.
resource := concat("", [attributes.resource, suffix(".", "group"), suffix("/", "subresource")])

suffix(separator, key) := concat("", [separator, attributes[key]]) if {
	attributes[key] != ""
} else := ""
