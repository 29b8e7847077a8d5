# METADATA
# title: Some labels and annotations are not for everybody
# description: >-
#   Only those whom the parameters users and groups name set, change and remove the labels and annotations with certain keys, also when
#   an object is created, and in the templates of workloads; whoever is a member of system:masters, as most cluster administrators are, is
#   let through unless groups says otherwise. Labels decide: which Pod Security level a namespace has, what a network policy lets in, who
#   pays.
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
#         podTemplates:
#           description: >-
#             Where custom resources have their Pod template, by resource and group, as in {"rollouts.argoproj.io":
#             "spec.template"}.
#           type: object
#           propertyNames: {format: resource}
#           additionalProperties: {type: string, pattern: '^[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*$'}
#           default: {}
#       examples:
#       - keys: ["pod-security.kubernetes.io/*", example.com/owner]
package portcullis.library.metadata.guarded_keys

import data.portcullis.kubernetes
import data.portcullis.users

deny contains {"message": message, "field": field} if {
	some at in places
	some name in ["labels", "annotations"]
	before := member("oldObject", at, name)
	after := member("object", at, name)
	before != after
	some key in changed(of(before), of(after))
	some pattern in input.parameters.keys
	glob.match(pattern, null, key)
	not trusted
	path := concat(".", array.concat(at, [name]))
	field := sprintf("%s[%q]", [path, key])
	message := sprintf("%s may not set %q in %s; leave it as it is, or ask somebody who may", [kubernetes.username, key, path])
}

places contains ["metadata"]

# What a controller makes of a template has what is written there, and the controller may.
places contains array.concat(split(kubernetes.pod_template_path, "."), ["metadata"]) if kubernetes.pod_template_path != ""

places contains ["spec", "jobTemplate", "metadata"] if input.request.kind.kind == "CronJob"

member(whole, at, name) := object.get(input.request, array.concat([whole], array.concat(at, [name])), {}) if is_object(input.request)

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
