# METADATA
# title: Nodes of the namespace
# description: >-
#   The Pods of a namespace run on its nodes: they get the node selector that the annotation of the namespace says, or else the
#   parameter. A Pod that asks for other nodes by one of these labels contradicts it and is refused; a selector by other labels
#   narrows the choice and stays. That is what the admission plugin PodNodeSelector does with its annotation, so that neither a plugin nor a
#   restart is needed. Its configuration file is not read: for its
#   clusterDefaultNodeSelector there is "*" in the parameter, and for the labels it lets the Pods of a namespace select besides there is nothing. Pods are edited and not their workloads, so that what is in Git and what is in the cluster stay the same.
# related_resources:
# - ref: https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#podnodeselector
#   description: PodNodeSelector
# - ref: https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#nodeselector
#   description: Node selectors
# custom:
#   portcullis:
#     severity: medium
#     match: {resources: [pods], operations: [CREATE]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         annotation:
#           description: The annotation of the namespace, with labels as "pool=shop,disk=ssd".
#           type: string
#           format: annotation-key
#           default: scheduler.alpha.kubernetes.io/node-selector
#         nodeSelectors:
#           description: >-
#             The node selectors of namespaces without the annotation, by name. The name "*" stands for all that are not listed.
#           type: object
#           additionalProperties:
#             type: object
#             propertyNames: {format: label-key}
#             additionalProperties: {type: string, format: label-value}
#           default: {}
#       examples:
#       - nodeSelectors: {shop: {pool: shop}}
package portcullis.library.pods.node_selector_from_namespace

import data.portcullis.kubernetes

mutate contains {"default": ["spec", "nodeSelector", key], "value": value} if {
	kubernetes.pod_spec
	some key, value in selector
}

deny contains {"message": message, "field": field} if {
	some key, value in selector
	own := kubernetes.pod_spec.nodeSelector[key]
	own != null
	own != value
	field := sprintf("spec.nodeSelector[%s]", [key])
	message := sprintf("the node selector %s=%v contradicts %s=%s of namespace %q; remove it", [key, own, key, value, kubernetes.namespace])
}

deny contains {"message": message, "field": "spec.nodeSelector"} if {
	not is_object(selector)
	message := sprintf("the annotation %s of namespace %q cannot be read; write it as KEY=VALUE,KEY=VALUE", [
		input.parameters.annotation,
		kubernetes.namespace,
	])
}

selector := labels if {
	written := input.namespace.metadata.annotations[input.parameters.annotation]
	labels := parsed(written)
} else := {} if {
	input.namespace.metadata.annotations[input.parameters.annotation] == ""
} else := "unreadable" if {
	input.namespace.metadata.annotations[input.parameters.annotation]
} else := labels if {
	labels := input.parameters.nodeSelectors[kubernetes.namespace]
} else := object.get(input.parameters.nodeSelectors, "*", {}) if input.namespace

# Whether all of it can be read, and no key stands there twice, is known once as many labels as pairs were found.
parsed(written) := labels if {
	pairs := split(written, ",")
	found := {[trim_space(key), trim_space(value)] | some pair in pairs; [key, value] = split(pair, "=")}
	keys := {key | some [key, _] in found} - {""}
	count(keys) == count(pairs)
	labels := {key: value | some [key, value] in found}
}
