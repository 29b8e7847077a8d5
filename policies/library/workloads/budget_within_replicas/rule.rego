# METADATA
# title: Disruption budgets are smaller than what they guard
# description: >-
#   A PodDisruptionBudget that wants as many Pods available as there are forbids every eviction, so that nodes are not drained, and so
#   does a share that comes to all of them, as 60% of two. A budget wants fewer than the replicas of the Deployments and StatefulSets whose
#   Pods it selects, as these say when it is created or changed. What an autoscaler makes of them later is not seen, nor are other
#   Pods. What wants all whatever the replicas is the business of workloads.evictable.
# related_resources:
# - ref: https://kubernetes.io/docs/tasks/run-application/configure-pdb/
#   description: Specifying a disruption budget
# custom:
#   portcullis:
#     severity: medium
#     match: {resources: [poddisruptionbudgets.policy]}
#     data: [deployments.apps, statefulsets.apps]
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         exemptNames:
#           description: Names of budgets that may forbid every eviction, as globs in which a star stands for any text.
#           type: array
#           items: {type: string, pattern: "^[a-z0-9.*-]+$"}
#           default: []
package portcullis.library.workloads.budget_within_replicas

import data.portcullis.kubernetes
import data.portcullis.selectors

deny contains {"message": message, "field": "spec.minAvailable"} if {
	wanted := kubernetes.object.spec.minAvailable
	total := sum([replicas(workload) | some workload in guarded])
	total > 0
	available(wanted, total) >= total
	not exempt
	message := sprintf("minAvailable %v of %d replicas lets no Pod go, so that nodes cannot be drained; set maxUnavailable to 1 instead", [
		wanted,
		total,
	])
}

guarded := [workload |
	some workload in array.concat(deployments, stateful_sets)
	selectors.selects(kubernetes.object.spec.selector, pod_labels(workload))
]

deployments := [one | some one in data.kubernetes["deployments.apps"][input.request.namespace]]

stateful_sets := [one | some one in data.kubernetes["statefulsets.apps"][input.request.namespace]]

pod_labels(workload) := workload.spec.template.metadata.labels if {
	is_object(workload.spec.template.metadata.labels)
} else := {}

replicas(workload) := workload.spec.replicas if {
	is_number(workload.spec.replicas)
} else := 1

available(wanted, _) := wanted if is_number(wanted)

# Kubernetes rounds a share of the Pods up.
available(wanted, total) := ceil((to_number(digits) * total) / 100) if {
	is_string(wanted)
	digits := trim_left(trim_suffix(wanted, "%"), "0")
	regex.match("^[0-9]+$", digits)
}

exempt if {
	some pattern in input.parameters.exemptNames
	glob.match(pattern, null, input.request.name)
}
