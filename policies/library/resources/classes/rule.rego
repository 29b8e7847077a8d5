# METADATA
# title: Resources of a class
# description: >-
#   Few know what their container needs, and small, medium or large is easier to say. Containers get the requests and limits of a
#   class for what they do not say themselves; the class is that of the label of the Pod, else of its namespace, else the one of the
#   parameter. A limit is never set below the request of the container: then it is as high as that. Where a limit is said and no
#   request, the request is the limit, as Kubernetes has it. What the Pod as a whole says of a resource holds for its containers.
#   A label with the name of no class is refused. Pods are edited and not their workloads, so that what is in Git and what
#   is in the cluster stay the same.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/
#   description: Resource management for pods and containers
# custom:
#   portcullis:
#     severity: low
#     match: {resources: [pods], operations: [CREATE]}
#     parameters:
#       type: object
#       additionalProperties: false
#       required: [classes]
#       properties:
#         label:
#           description: The key of the label of Pods and namespaces that names the class.
#           type: string
#           format: label-key
#           default: portcullis.dev/resource-class
#         defaultClass:
#           description: The class of Pods where no label names one; an empty text is none.
#           type: string
#           default: ""
#         classes:
#           description: >-
#             The classes by name, with requests and limits of resources. No request is above its limit.
#           type: object
#           additionalProperties:
#             type: object
#             additionalProperties: false
#             properties:
#               requests:
#                 description: How much each container asks for, as a quantity for each resource.
#                 type: object
#                 additionalProperties: {type: string, pattern: "^[0-9]+([.][0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"}
#               limits:
#                 description: How much each container may use, as a quantity for each resource.
#                 type: object
#                 additionalProperties: {type: string, pattern: "^[0-9]+([.][0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"}
#       examples:
#       - classes:
#           small: {requests: {cpu: 50m, memory: 128Mi}, limits: {memory: 128Mi}}
#           large: {requests: {cpu: "1", memory: 2Gi}, limits: {memory: 4Gi}}
#         defaultClass: small
package portcullis.library.resources.classes

import data.portcullis.kubernetes
import data.portcullis.quantities

mutate contains {"default": array.concat(path, ["requests", resource]), "value": amount} if {
	some [path, container] in silent
	some resource, asked in class.requests
	not said_of_the_pod(resource)
	not says(container, "requests", resource)
	amount := value(container, "limits", resource, asked)
}

mutate contains {"default": array.concat(path, ["limits", resource]), "value": amount} if {
	some [path, container] in silent
	some resource, limit in class.limits
	not said_of_the_pod(resource)
	not says(container, "limits", resource)
	amount := at_least(limit, value(container, "requests", resource, limit))
}

deny contains {"message": message, "field": field} if {
	class == "unknown"
	message := sprintf("%q is no class of resources; the label %s names one of %s", [
		named,
		input.parameters.label,
		concat(", ", sort(object.keys(input.parameters.classes))),
	])
	field := sprintf("metadata.labels[%s]", [input.parameters.label])
}

# Ephemeral containers cannot have any.
silent contains [path, container] if {
	is_object(class)
	some field in ["initContainers", "containers"]
	some container in kubernetes.pod_spec[field]
	path := ["spec", field, {"name": container.name}, "resources"]
}

class := of if {
	of := input.parameters.classes[named]
} else := "unknown" if {
	named != ""
}

named := kubernetes.labels[input.parameters.label] if {
	kubernetes.labels[input.parameters.label] != null
} else := input.namespace.metadata.labels[input.parameters.label] if {
	input.namespace.metadata.labels[input.parameters.label]
} else := input.parameters.defaultClass

said_of_the_pod(resource) if {
	some amount in ["requests", "limits"]
	kubernetes.pod_spec.resources[amount][resource] != null
}

says(container, amount, resource) if container.resources[amount][resource] != null

# What the container says, or else the class.
value(container, amount, resource, otherwise) := written if {
	written := container.resources[amount][resource]
	written != null
} else := otherwise

at_least(limit, request) := request if {
	quantities.amount(request) > quantities.amount(limit)
} else := limit
