# METADATA
# title: Selectors of Services are unique
# description: >-
#   Two Services of one namespace with the same selector send the traffic of both to the same Pods, which is nearly always the
#   selector of another that was copied. A selector belongs to the Service that has it first. Services of different
#   types, and headless ones beside others, may have the same: that is how StatefulSets and load balancers are made. Two that
#   are created at the very same moment do not see each other.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/services-networking/service/#defining-a-service
#   description: Defining a Service
# custom:
#   portcullis:
#     severity: low
#     match: {resources: [services]}
#     data: [services]
package portcullis.library.services.unique_selector

import data.portcullis.kubernetes

deny contains {"message": message, "field": "spec.selector"} if {
	selector := kubernetes.object.spec.selector
	is_object(selector)
	selector != {}
	not had(selector)
	services := data.kubernetes.services
	some name
	services[input.request.namespace][name].spec.selector == selector
	name != input.request.name
	sort_of(services[input.request.namespace][name].spec) == sort_of(kubernetes.object.spec)
	message := sprintf("the Service %s has the same selector; use that one, or select by another label", [
		name,
	])
}

had(selector) if {
	kubernetes.operation == "UPDATE"
	kubernetes.old_object.spec.selector == selector
	sort_of(kubernetes.old_object.spec) == sort_of(kubernetes.object.spec)
}

sort_of(spec) := "headless" if spec.clusterIP == "None"

sort_of(spec) := object.get(spec, "type", "ClusterIP") if object.get(spec, "clusterIP", "") != "None"
