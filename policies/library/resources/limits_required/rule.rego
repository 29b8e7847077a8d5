# METADATA
# title: Containers say what they need
# description: >-
#   Without a memory limit one container can take a node down; without requests the scheduler packs pods blindly. Each
#   container needs the limits and requests of the parameters, itself or by its pod, and no limit or request above the maximum. A limit without a request is the request as well, and a
#   limit of 0 is none.
#   Ephemeral containers cannot have any and are left out.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/
#   description: Resource management for pods and containers
# custom:
#   portcullis:
#     severity: medium
#     controls: [nsa/resource-policies]
#     match:
#       resources: [pods, workloads]
#       changes: [pods, spec.resources, spec.containers.resources, spec.initContainers.resources]
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
#           description: The highest limit and request a container or pod may set, as a quantity for each resource.
#           type: object
#           additionalProperties: {type: string, format: quantity}
#           default: {}
#         exemptImages:
#           description: Images of containers that need neither, as they are written, as globs in which a star stands for any text.
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
#       examples:
#       - maximum: {memory: 64Gi}
package portcullis.library.resources.limits_required

import data.portcullis.images
import data.portcullis.kubernetes
import data.portcullis.quantities

deny contains {"message": message, "field": field} if {
	some entry in kubernetes.containers
	entry.kind != "ephemeral container"
	some resource in input.parameters.limits
	not limited(entry.container, resource)
	not exempt(entry.container)
	field := sprintf("%s.resources.limits", [entry.path])
	message := sprintf("%s %q has no %s in resources.limits; add it", [entry.kind, entry.name, resource])
}

deny contains {"message": message, "field": field} if {
	some entry in kubernetes.containers
	entry.kind != "ephemeral container"
	some resource in input.parameters.requests
	not requested(entry.container, resource)
	not exempt(entry.container)
	field := sprintf("%s.resources.requests", [entry.path])
	message := sprintf("%s %q has no %s in resources.requests; add it", [entry.kind, entry.name, resource])
}

deny contains {"message": message, "field": field} if {
	some resource, maximum in input.parameters.maximum
	some path, resources in resources_at
	some amount in ["limits", "requests"]
	value := resources[amount][resource]
	value != null
	not quantities.at_most(value, maximum)
	field := sprintf("%s.resources.%s.%s", [path, amount, resource])
	message := sprintf("the %s %s %v is %s", [resource, trim_suffix(amount, "s"), spelt(value), fault(value, maximum)])
}

spelt(value) := value if value != ""

spelt("") := `""`

fault(value, maximum) := sprintf("above %s; lower it", [maximum]) if quantities.amount(value)

fault(value, maximum) := sprintf("no quantity; write one of %s at most", [maximum]) if not quantities.amount(value)

limited(container, resource) if something(quantities.limit(container, resource))

limited(_, resource) if something(quantities.limit(kubernetes.pod_spec, resource))

# Where only a limit is set, Kubernetes takes it for the request.
requested(container, resource) if something(quantities.request(container, resource))

requested(_, resource) if something(quantities.request(kubernetes.pod_spec, resource))

exempt(container) if images.like(container.image, input.parameters.exemptImages)

# A limit of nothing is none, and so is a request.
something(value) if quantities.amount(value) > 0

resources_at[kubernetes.pod_spec_path] := kubernetes.pod_spec.resources

resources_at[entry.path] := entry.container.resources if some entry in kubernetes.containers
