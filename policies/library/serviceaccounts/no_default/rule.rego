# METADATA
# title: Workloads have service accounts of their own
# description: >-
#   What is granted to the service account default is granted to every Pod of its namespace that names no other. Pods and workloads
#   name an account of their own. Mirrors of static Pods have none and are left out.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/security/service-accounts/
#   description: Service accounts
# custom:
#   portcullis:
#     severity: medium
#     controls: [cis-1.9/5.1.5]
#     match: {resources: [pods, workloads], changes: [pods]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         allowWithoutToken:
#           description: >-
#             Whether a Pod may run as default if it says automountServiceAccountToken is false and mounts no token by itself.
#           type: boolean
#           default: false
#         podTemplates:
#           description: >-
#             Where custom resources have their Pod template, by resource and group, as in {"rollouts.argoproj.io":
#             "spec.template"}.
#           type: object
#           propertyNames: {format: resource}
#           additionalProperties: {type: string, pattern: '^[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*$'}
#           default: {}
package portcullis.library.serviceaccounts.no_default

import data.portcullis.kubernetes

deny contains {"message": message, "field": field} if {
	kubernetes.service_account(kubernetes.pod_spec) == "default"
	not mirror
	not harmless
	field := sprintf("%s.serviceAccountName", [kubernetes.pod_spec_path])
	message := sprintf("%s runs as the service account default; name one of its own in serviceAccountName", [input.request.kind.kind])
}

# The API server mounts no token into such a Pod, and refuses one that names an account.
mirror if {
	input.request.kind.kind == "Pod"
	kubernetes.annotations["kubernetes.io/config.mirror"]
}

harmless if {
	input.parameters.allowWithoutToken
	kubernetes.pod_spec.automountServiceAccountToken == false
	not mounted
}

mounted if kubernetes.pod_spec.volumes[_].projected.sources[_].serviceAccountToken
