# METADATA
# title: Tolerations of the namespace
# description: >-
#   The Pods of a namespace tolerate the taints of its nodes: they get the tolerations that the annotation of the namespace says,
#   or else the parameter. A toleration of the Pod for the same taint stays as it is, with its own tolerationSeconds. That is
#   what the admission plugin PodTolerationRestriction does with its annotation defaultTolerations. Its other one, tolerationsWhitelist, is
#   not read: Pods may tolerate more. Together with
#   pods.node_selector_from_namespace nodes are reserved for a namespace. Pods are edited and not their workloads, so that what is in Git
#   and what is in the cluster stay the same.
# related_resources:
# - ref: https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#podtolerationrestriction
#   description: PodTolerationRestriction
# - ref: https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/
#   description: Taints and tolerations
# custom:
#   portcullis:
#     severity: low
#     match: {resources: [pods], operations: [CREATE]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         annotation:
#           description: The annotation of the namespace, with a list of tolerations in JSON.
#           type: string
#           format: annotation-key
#           default: scheduler.alpha.kubernetes.io/defaultTolerations
#         tolerations:
#           description: >-
#             The tolerations of namespaces without the annotation, by name. The name "*" stands for all that are not listed.
#           type: object
#           additionalProperties:
#             type: array
#             items:
#               type: object
#               additionalProperties: false
#               properties:
#                 key:
#                   description: The key of the taint; every taint without it.
#                   type: string
#                 operator:
#                   description: How the value is compared.
#                   type: string
#                   enum: [Exists, Equal, Lt, Gt]
#                 value:
#                   description: The value of the taint.
#                   type: string
#                 effect:
#                   description: The effect of the taint; every effect without it.
#                   type: string
#                   enum: [NoSchedule, PreferNoSchedule, NoExecute]
#                 tolerationSeconds:
#                   description: For how long it is tolerated, with the effect NoExecute.
#                   type: integer
#           default: {}
#       examples:
#       - tolerations: {shop: [{key: pool, operator: Equal, value: shop, effect: NoSchedule}]}
package portcullis.library.pods.tolerations_from_namespace

import data.portcullis.kubernetes

mutate contains {"append": ["spec", "tolerations"], "value": toleration} if {
	kubernetes.pod_spec
	some toleration in tolerations
	not taint(toleration) in tolerated
}

deny contains {"message": message, "field": "spec.tolerations"} if {
	tolerations == "unreadable"
	message := sprintf("the annotation %s of namespace %q cannot be read; write it as a list of tolerations in JSON", [
		input.parameters.annotation,
		kubernetes.namespace,
	])
}

tolerations := list if {
	written := input.namespace.metadata.annotations[input.parameters.annotation]
	list := parsed(written)
} else := [] if {
	input.namespace.metadata.annotations[input.parameters.annotation] == ""
} else := "unreadable" if {
	input.namespace.metadata.annotations[input.parameters.annotation]
} else := list if {
	list := input.parameters.tolerations[kubernetes.namespace]
} else := object.get(input.parameters.tolerations, "*", []) if input.namespace

parsed(written) := list if {
	json.is_valid(written)
	list := json.unmarshal(written)
	is_array(list)
	every one in list {
		is_toleration(one)
	}
}

is_toleration(one) if {
	is_object(one)
	every member, value in one {
		fits(member, value)
	}
}

fits("key", value) if is_string(value)

fits("value", value) if is_string(value)

fits("operator", value) if value in {"", "Exists", "Equal", "Lt", "Gt"}

fits("effect", value) if value in {"", "NoSchedule", "PreferNoSchedule", "NoExecute"}

fits("tolerationSeconds", value) if is_number(value)

tolerated contains taint(one) if some one in kubernetes.pod_spec.tolerations

# What a toleration is for. Without an operator it is Equal.
taint(toleration) := [
	kubernetes.text(toleration, "key"),
	operator(toleration),
	kubernetes.text(toleration, "value"),
	kubernetes.text(toleration, "effect"),
]

operator(toleration) := toleration.operator if {
	kubernetes.text(toleration, "operator") != ""
} else := "Equal"
