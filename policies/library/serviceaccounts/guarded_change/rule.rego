# METADATA
# title: The service account of a workload is not changed by everybody
# description: >-
#   Whoever may edit a Deployment may let it run as any service account of its namespace, and so gain rights that nobody granted
#   them. The account of a workload that exists is changed only by the users and groups of the parameters.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/security/rbac-good-practices/#workload-creation
#   description: Workload creation as a way to more rights
# custom:
#   portcullis:
#     severity: high
#     match: {resources: [workloads], operations: [UPDATE]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         users:
#           description: Users who may change the service account.
#           type: array
#           items: {type: string, minLength: 1}
#           default: []
#         groups:
#           description: Groups whose members may change the service account.
#           type: array
#           items: {type: string, minLength: 1}
#           default: [system:masters]
#         podTemplates:
#           description: >-
#             Where custom resources have their Pod template, by resource and group, as in {"rollouts.argoproj.io":
#             "spec.template"}.
#           type: object
#           propertyNames: {format: resource}
#           additionalProperties: {type: string, pattern: '^[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*$'}
#           default: {}
package portcullis.library.serviceaccounts.guarded_change

import data.portcullis.kubernetes
import data.portcullis.users

deny contains {"message": message, "field": field} if {
	input.request.operation == "UPDATE"
	after := kubernetes.service_account(kubernetes.pod_spec)
	is_object(kubernetes.old_object)
	before := kubernetes.service_account(object.get(kubernetes.old_object, split(kubernetes.pod_spec_path, "."), {}))
	before != after
	not trusted
	field := sprintf("%s.serviceAccountName", [kubernetes.pod_spec_path])
	message := sprintf("%s may not change the service account from %q to %q; leave it as it is, or ask somebody who may", [
		kubernetes.username,
		before,
		after,
	])
}

trusted if kubernetes.username in input.parameters.users

trusted if users.of_group(input.parameters.groups)
