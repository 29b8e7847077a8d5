# METADATA
# title: Powerful service accounts are used by those who may
# description: >-
#   RBAC has no permission to run as a service account: whoever may create Pods in a namespace may use every account in it, that of
#   an operator included. Pods and workloads that run as an account of the parameter are made and changed only by the users and
#   groups of the others. The controllers that make the Pods of workloads must stay among them.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/security/rbac-good-practices/#workload-creation
#   description: Workload creation as a way to more rights
# custom:
#   portcullis:
#     severity: high
#     controls: [cis-1.9/5.1.4]
#     match: {resources: [pods, workloads], changes: [pods]}
#     parameters:
#       type: object
#       additionalProperties: false
#       required: [serviceAccounts]
#       properties:
#         serviceAccounts:
#           description: The accounts, as NAMESPACE/NAME, in which a star stands for any text.
#           type: array
#           minItems: 1
#           items: {type: string, pattern: "^[a-z0-9.*-]+/[a-z0-9.*-]+$"}
#         users:
#           description: Users who may let Pods run as these accounts.
#           type: array
#           items: {type: string, minLength: 1}
#           default: [system:kube-controller-manager]
#         groups:
#           description: Groups whose members may.
#           type: array
#           items: {type: string, minLength: 1}
#           default: [system:masters, system:nodes, system:serviceaccounts:kube-system]
#         podTemplates:
#           description: >-
#             Where custom resources have their Pod template, by resource and group, as in {"rollouts.argoproj.io":
#             "spec.template"}.
#           type: object
#           propertyNames: {format: resource}
#           additionalProperties: {type: string, pattern: '^[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*$'}
#           default: {}
#       examples:
#       - serviceAccounts: [shop/operator, "ci/deployer-*"]
package portcullis.library.serviceaccounts.reserved_accounts

import data.portcullis.kubernetes
import data.portcullis.users

deny contains {"message": message, "field": field} if {
	name := kubernetes.service_account(kubernetes.pod_spec)
	qualified := sprintf("%s/%s", [kubernetes.namespace, name])
	some pattern in input.parameters.serviceAccounts
	glob.match(pattern, null, qualified)
	not trusted
	field := sprintf("%s.serviceAccountName", [kubernetes.pod_spec_path])
	message := sprintf("%s may not let Pods run as the service account %s; use another account, or ask somebody who may", [
		kubernetes.username,
		qualified,
	])
}

trusted if kubernetes.username in input.parameters.users

trusted if users.of_group(input.parameters.groups)
