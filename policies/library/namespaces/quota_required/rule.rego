# METADATA
# title: Namespaces have quotas before they have Pods
# description: >-
#   Without a quota one namespace can take all that the cluster has. Pods and workloads are made only in namespaces that have what
#   the parameter names: a ResourceQuota with something in its spec.hard, a LimitRange with something in its spec.limits. What was
#   created a moment ago may not be seen yet; try again.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/policy/resource-quotas/
#   description: Resource quotas
# - ref: https://kubernetes.io/docs/concepts/policy/limit-range/
#   description: Limit ranges
# custom:
#   portcullis:
#     severity: medium
#     controls: [nsa/resource-policies]
#     match: {resources: [pods, workloads], operations: [CREATE]}
#     data: [resourcequotas, limitranges]
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         required:
#           description: What the namespace must have, of ResourceQuota and LimitRange.
#           type: array
#           minItems: 1
#           items: {type: string, enum: [ResourceQuota, LimitRange]}
#           default: [ResourceQuota]
#       examples:
#       - required: [ResourceQuota, LimitRange]
package portcullis.library.namespaces.quota_required

import data.portcullis.kubernetes

deny contains message if {
	some kind in input.parameters.required
	not has[kind]
	message := sprintf("the namespace %q has no %s; create one before there are Pods in it", [kubernetes.namespace, kind])
}

has["ResourceQuota"] if data.kubernetes.resourcequotas[kubernetes.namespace][_].spec.hard[_]

has["LimitRange"] if data.kubernetes.limitranges[kubernetes.namespace][_].spec.limits[_]
