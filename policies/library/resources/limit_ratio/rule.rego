# METADATA
# title: Limits are near to requests
# description: >-
#   A container that may use much more than it asks for takes what others on its node were promised, and when memory runs out
#   the node kills one of them. The limit of each container, and of the Pod as a whole, may be so many times its request
#   as the parameter says. Where only one of the two is set there is nothing to compare: see resources.limits_required.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/
#   description: Resource management for pods and containers
# - ref: https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/
#   description: Quality of service classes
# custom:
#   portcullis:
#     severity: low
#     match:
#       resources: [pods, workloads]
#       changes: [pods, spec.resources, spec.containers.resources, spec.initContainers.resources]
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         ratios:
#           description: How many times the request the limit may be, for each resource.
#           type: object
#           additionalProperties: {type: number, minimum: 1}
#           default: {cpu: 10, memory: 2}
#         exemptImages:
#           description: Images of containers that may have any limit, as they are written, as globs in which a star stands for any text.
#           type: array
#           items: {type: string, pattern: "^[a-zA-Z0-9._:/@*-]+$"}
#           default: []
#         podTemplates:
#           description: >-
#             Where custom resources have their Pod template, by resource and group, as in {"rollouts.argoproj.io":
#             "spec.template"}.
#           type: object
#           propertyNames: {format: resource}
#           additionalProperties: {type: string, pattern: '^[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*$'}
#           default: {}
package portcullis.library.resources.limit_ratio

import data.portcullis.images
import data.portcullis.kubernetes
import data.portcullis.quantities

deny contains {"message": message, "field": field} if {
	some entry in kubernetes.containers
	some resource, ratio in input.parameters.ratios
	[limit, request] := set_in(entry.container.resources, resource)
	not near(limit, request, ratio)
	not images.like(object.get(entry.container, "image", ""), input.parameters.exemptImages)
	field := sprintf("%s.resources.limits.%s", [entry.path, resource])
	message := sprintf("%s %q has the %s limit %v, more than %v times its request %v; raise the request or lower the limit", [
		entry.kind,
		entry.name,
		resource,
		limit,
		ratio,
		request,
	])
}

deny contains {"message": message, "field": field} if {
	some resource, ratio in input.parameters.ratios
	[limit, request] := set_in(kubernetes.pod_spec.resources, resource)
	not near(limit, request, ratio)
	field := sprintf("%s.resources.limits.%s", [kubernetes.pod_spec_path, resource])
	message := sprintf("the Pod has the %s limit %v, more than %v times its request %v; raise the request or lower the limit", [
		resource,
		limit,
		ratio,
		request,
	])
}

set_in(resources, resource) := [limit, request] if {
	limit := resources.limits[resource]
	request := resources.requests[resource]
	limit != request
}

near(limit, request, ratio) if quantities.amount(limit) <= quantities.amount(request) * ratio
