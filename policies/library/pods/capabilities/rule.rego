# METADATA
# title: Capabilities are dropped
# description: >-
#   Linux capabilities are pieces of root. Every container must drop those of the parameter, all of them by default, and may
#   add back only the few that are allowed.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/
#   description: Pod Security Standards, restricted
# custom:
#   portcullis:
#     severity: medium
#     controls: [pss/restricted, cis-1.9/5.2.8, cis-1.9/5.2.9, cis-1.9/5.2.10]
#     match: {resources: [pods, workloads]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         requiredDrops:
#           description: Capabilities every container must drop.
#           type: array
#           items: {type: string, minLength: 1}
#           default: [ALL]
#         allowedAdditions:
#           description: Capabilities a container may add.
#           type: array
#           items: {type: string, minLength: 1}
#           default: [NET_BIND_SERVICE]
package portcullis.library.pods.capabilities

import data.portcullis.kubernetes

deny contains {"message": message, "field": field} if {
	some entry in kubernetes.containers
	some capability in input.parameters.requiredDrops
	not drops(entry.container, capability)
	field := sprintf("%s.securityContext.capabilities.drop", [entry.path])
	message := sprintf("%s %q does not drop the capability %s; add it to securityContext.capabilities.drop", [
		entry.kind,
		entry.name,
		capability,
	])
}

deny contains {"message": message, "field": field} if {
	some entry in kubernetes.containers
	some capability in entry.container.securityContext.capabilities.add
	not capability in input.parameters.allowedAdditions
	field := sprintf("%s.securityContext.capabilities.add", [entry.path])
	message := sprintf("%s %q adds the capability %s; remove it from securityContext.capabilities.add", [
		entry.kind,
		entry.name,
		capability,
	])
}

drops(container, capability) if {
	some dropped in container.securityContext.capabilities.drop
	dropped in {capability, "ALL"}
}
