# METADATA
# title: Updates leave replicas running
# description: >-
#   An update that stops all Pods before new ones are ready is an outage, and for good if the new ones do not start. A
#   Deployment with more than one replica may not be recreated, and no more of its Pods than the share of the parameter may
#   be unavailable at a time; the same holds for StatefulSets, and for DaemonSets where they say it as a share.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#strategy
#   description: Strategy of a Deployment
# - ref: https://kubernetes.io/docs/tasks/manage-daemon/update-daemon-set/
#   description: Rolling update of a DaemonSet
# custom:
#   portcullis:
#     severity: low
#     match: {resources: [deployments.apps, statefulsets.apps, daemonsets.apps], changes: [spec]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         maxUnavailable:
#           description: The share of a workload's Pods that may be unavailable during an update, in percent.
#           type: integer
#           minimum: 0
#           maximum: 100
#           default: 50
package portcullis.library.workloads.rolling_update

import data.portcullis.kubernetes

deny contains {"message": message, "field": "spec.strategy.type"} if {
	kubernetes.object.spec.strategy.type == "Recreate"
	replicas > 1
	message := sprintf("all %d replicas are stopped before the first new one is started; set spec.strategy.type to RollingUpdate", [replicas])
}

deny contains {"message": message, "field": field} if {
	some strategy in ["strategy", "updateStrategy"]
	value := kubernetes.object.spec[strategy].rollingUpdate.maxUnavailable
	stopped := share(value)
	stopped > input.parameters.maxUnavailable
	field := sprintf("spec.%s.rollingUpdate.maxUnavailable", [strategy])
	message := sprintf("an update may stop %d%% of the Pods at a time by maxUnavailable %v, and %d%% are allowed; lower it", [
		stopped,
		value,
		input.parameters.maxUnavailable,
	])
}

# How many of a hundred Pods may be stopped; undefined where there is one Pod alone, or nobody knows how many there are.
share(value) := min({100, ceil((100 * value) / replicas)}) if {
	is_number(value)
	replicas > 1
}

# Kubernetes rounds a share of the Pods down.
share(value) := ceil((100 * floor((percent(value) * replicas) / 100)) / replicas) if {
	replicas > 1
}

share(value) := percent(value) if input.request.kind.kind == "DaemonSet"

percent(value) := to_number(digits) if {
	is_string(value)
	endswith(value, "%")
	digits := trim_left(trim_suffix(value, "%"), "0")
	digits != ""
}

# A DaemonSet has as many as there are nodes.
replicas := number if {
	input.request.kind.kind != "DaemonSet"
	is_object(kubernetes.object)
	number := object.get(kubernetes.object, ["spec", "replicas"], 1)
	is_number(number)
}
