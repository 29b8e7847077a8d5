# METADATA
# title: Containers say what they need
# description: >-
#   Without a memory limit one container can take a node down; without requests the scheduler packs pods blindly. Each
#   container needs the limits and requests of the parameters, itself or by its pod, and no limit above the maximum.
#   Ephemeral containers cannot have any and are left out.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/
#   description: Resource management for pods and containers
# custom:
#   portcullis:
#     severity: medium
#     match: {resources: [pods, workloads]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         limits:
#           description: Resources every container needs a limit for.
#           type: array
#           items: {type: string, minLength: 1}
#           default: [memory]
#         requests:
#           description: Resources every container needs a request for.
#           type: array
#           items: {type: string, minLength: 1}
#           default: [cpu, memory]
#         maximum:
#           description: The highest limit a container or pod may set, as a quantity for each resource.
#           type: object
#           additionalProperties: {type: string}
#           default: {}
#       examples:
#       - maximum: {memory: 64Gi}
package portcullis.library.resources.limits_required

import data.portcullis.kubernetes

deny contains {"message": message, "field": field} if {
	some entry in kubernetes.containers
	entry.kind != "ephemeral container"
	some amount in ["limits", "requests"]
	some resource in input.parameters[amount]
	not entry.container.resources[amount][resource]
	not kubernetes.pod_spec.resources[amount][resource]
	field := sprintf("%s.resources.%s", [entry.path, amount])
	message := sprintf("%s %q has no %s in resources.%s; add it", [entry.kind, entry.name, resource, amount])
}

deny contains {"message": message, "field": field} if {
	some path, limits in limits_at
	some resource, maximum in input.parameters.maximum
	limit := limits[resource]
	not within(limit, maximum)
	field := sprintf("%s.resources.limits.%s", [path, resource])
	message := sprintf("the %s limit %v is above %s; lower it", [resource, limit, maximum])
}

limits_at[kubernetes.pod_spec_path] := kubernetes.pod_spec.resources.limits

limits_at[entry.path] := entry.container.resources.limits if some entry in kubernetes.containers

within(limit, maximum) if {
	quantity.is_valid(limit)
	quantity.parse(limit) <= quantity.parse(maximum)
}
