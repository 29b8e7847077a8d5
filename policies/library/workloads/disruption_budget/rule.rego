# METADATA
# title: Replicas have a disruption budget
# description: >-
#   When nodes are drained all replicas of a workload may be moved at once, unless a PodDisruptionBudget says how many must
#   stay. A Deployment or StatefulSet with the replicas of the parameter or more needs one in its namespace that selects its
#   Pods, and that is there first.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/workloads/pods/disruptions/
#   description: Disruptions
# - ref: https://kubernetes.io/docs/tasks/run-application/configure-pdb/
#   description: Specifying a disruption budget
# custom:
#   portcullis:
#     severity: low
#     match: {resources: [deployments.apps, statefulsets.apps], changes: [spec]}
#     data: [poddisruptionbudgets.policy]
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         replicas:
#           description: From how many replicas on a workload needs a budget.
#           type: integer
#           minimum: 1
#           default: 2
#         podTemplates:
#           description: >-
#             Where custom resources have their Pod template, by resource and group, as in {"rollouts.argoproj.io":
#             "spec.template"}.
#           type: object
#           propertyNames: {format: resource}
#           additionalProperties: {type: string, pattern: '^[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*$'}
#           default: {}
package portcullis.library.workloads.disruption_budget

import data.portcullis.kubernetes
import data.portcullis.selectors

deny contains {"message": message, "field": field} if {
	is_object(kubernetes.pod_template)
	replicas >= input.parameters.replicas
	not budgeted
	field := sprintf("%s.metadata.labels", [kubernetes.pod_template_path])
	message := sprintf("no PodDisruptionBudget selects the Pods of the %s %s; create one with maxUnavailable 1 first", [
		input.request.kind.kind,
		kubernetes.name,
	])
}

replicas := kubernetes.object.spec.replicas if {
	is_number(kubernetes.object.spec.replicas)
} else := 1

budgeted if {
	budgets := data.kubernetes["poddisruptionbudgets.policy"]
	some name
	selectors.selects(budgets[input.request.namespace][name].spec.selector, kubernetes.pod_labels)
}
