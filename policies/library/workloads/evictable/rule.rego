# METADATA
# title: Disruption budgets let Pods go
# description: >-
#   A PodDisruptionBudget with maxUnavailable 0, or minAvailable 100%, forbids every eviction: nodes are never drained, and an
#   upgrade of the cluster stops there, or deletes the Pods without asking. Whoever wants that no Pod is moved is better
#   served by a budget of one. A minAvailable as high as the number of replicas does the same, which takes to see them: see
#   workloads.budget_within_replicas.
# related_resources:
# - ref: https://kubernetes.io/docs/tasks/run-application/configure-pdb/
#   description: Specifying a disruption budget
# - ref: https://kubernetes.io/docs/tasks/administer-cluster/safely-drain-node/
#   description: Safely drain a node
# custom:
#   portcullis:
#     severity: medium
#     match: {resources: [poddisruptionbudgets.policy], changes: [spec]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         exemptNames:
#           description: Names of budgets that may forbid every eviction, as globs in which a star stands for any text.
#           type: array
#           items: {type: string, pattern: "^[a-z0-9.*-]+$"}
#           default: []
package portcullis.library.workloads.evictable

import data.portcullis.kubernetes

deny contains {"message": message, "field": "spec.maxUnavailable"} if {
	none(kubernetes.object.spec.maxUnavailable)
	not exempt
	message := sprintf("maxUnavailable %v lets no Pod go, so that nodes cannot be drained; set it to 1 or more", [
		kubernetes.object.spec.maxUnavailable,
	])
}

deny contains {"message": message, "field": "spec.minAvailable"} if {
	all_of_them(kubernetes.object.spec.minAvailable)
	not exempt
	message := sprintf("minAvailable %v lets no Pod go, so that nodes cannot be drained; set maxUnavailable to 1 instead", [
		kubernetes.object.spec.minAvailable,
	])
}

none(0)

# A share may be written with zeros before it.
none(value) if {
	is_string(value)
	trim_left(value, "0") == "%"
}

all_of_them(value) if {
	is_string(value)
	trim_left(value, "0") == "100%"
}

exempt if {
	some pattern in input.parameters.exemptNames
	glob.match(pattern, null, input.request.name)
}
