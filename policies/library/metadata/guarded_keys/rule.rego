# METADATA
# title: Some labels and annotations are not for everybody
# description: >-
#   Labels decide: which Pod Security level a namespace has, what a network policy lets in, who pays. Labels and annotations with the keys
#   of the parameter are set, changed and removed only by the users and groups of the others, also when an object is created.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/
#   description: Labels and selectors
# custom:
#   portcullis:
#     severity: medium
#     match: {resources: [namespaces, pods, workloads, services]}
#     parameters:
#       type: object
#       additionalProperties: false
#       required: [keys]
#       properties:
#         keys:
#           description: The keys, in which a star stands for any text.
#           type: array
#           minItems: 1
#           items: {type: string, pattern: "^[a-zA-Z0-9._/*-]+$"}
#         users:
#           description: Users who may set them.
#           type: array
#           items: {type: string, minLength: 1}
#           default: [system:kube-controller-manager]
#         groups:
#           description: Groups whose members may.
#           type: array
#           items: {type: string, minLength: 1}
#           default: [system:masters, system:serviceaccounts:kube-system]
#       examples:
#       - keys: ["pod-security.kubernetes.io/*", example.com/owner]
package portcullis.library.metadata.guarded_keys

import data.portcullis.kubernetes
import data.portcullis.users

deny contains {"message": message, "field": field} if {
	some name in ["labels", "annotations"]
	before := of(object.get(input.request, ["oldObject", "metadata", name], {}))
	after := of(object.get(input.request, ["object", "metadata", name], {}))
	before != after
	some key in changed(before, after)
	some pattern in input.parameters.keys
	glob.match(pattern, null, key)
	not trusted
	field := sprintf("metadata.%s[%q]", [name, key])
	message := sprintf("%s may not set %q in metadata.%s; leave it as it is, or ask somebody who may", [kubernetes.username, key, name])
}

# Null stands for nothing, as everywhere in Kubernetes.
of(given) := given if {
	is_object(given)
} else := {}

changed(before, after) := {key |
	some key in object.keys(object.union(before, after))
	object.get(before, key, null) != object.get(after, key, null)
}

trusted if kubernetes.username in input.parameters.users

trusted if users.of_group(input.parameters.groups)
