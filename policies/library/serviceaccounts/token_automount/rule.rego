# METADATA
# title: Tokens are mounted where they are asked for
# description: >-
#   Kubernetes mounts the token of the service account into every container unless it is told not to, and whoever gets into a
#   container acts as the account. Pods and workloads say automountServiceAccountToken, so that a token is there because
#   somebody wanted it. A Pod that says nothing may be created all the same where its service account says false, which can be
#   seen of it; it cannot of the template of a workload, which has to say it. A projected volume with a token in it is asked for as well.
# related_resources:
# - ref: https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#opt-out-of-api-credential-automounting
#   description: Opt out of API credential automounting
# custom:
#   portcullis:
#     severity: medium
#     controls: [cis-1.9/5.1.6, nsa/service-account-tokens]
#     match: {resources: [pods, workloads], changes: [pods]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         allowAsked:
#           description: Whether any Pod may ask for the token by automountServiceAccountToken true.
#           type: boolean
#           default: true
#         serviceAccounts:
#           description: >-
#             Service accounts whose Pods may have the token in any case, as NAMESPACE/NAME, in which a star stands for any text.
#           type: array
#           items: {type: string, pattern: "^[a-z0-9.*-]+/[a-z0-9.*-]+$"}
#           default: []
#         podTemplates:
#           description: >-
#             Where custom resources have their Pod template, by resource and group, as in {"rollouts.argoproj.io":
#             "spec.template"}.
#           type: object
#           propertyNames: {format: resource}
#           additionalProperties: {type: string, pattern: '^[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*$'}
#           default: {}
package portcullis.library.serviceaccounts.token_automount

import data.portcullis.kubernetes

deny contains {"message": message, "field": field} if {
	not kubernetes.pod_spec.automountServiceAccountToken == false
	kubernetes.pod_spec
	not asked_for
	not account_says_no
	not exempt
	field := sprintf("%s.automountServiceAccountToken", [kubernetes.pod_spec_path])
	message := sprintf("%s %s the service account %q; %s", [
		input.request.kind.kind,
		says,
		kubernetes.service_account(kubernetes.pod_spec),
		remedy[input.parameters.allowAsked],
	])
}

says := "has the token of" if said

else := "does not say automountServiceAccountToken and leaves it to"

said if kubernetes.pod_spec.automountServiceAccountToken == true

said if has_token

remedy[true] := "set automountServiceAccountToken to false, or to true if it calls the Kubernetes API"

remedy[false] := "set automountServiceAccountToken to false"

# The API server gives a Pod a uid, and the volume with the token, before it asks what to make of it.
account_says_no if {
	not said
	input.request.kind.kind == "Pod"
	kubernetes.object.metadata.uid
}

has_token if {
	some volume in kubernetes.pod_spec.volumes
	startswith(kubernetes.text(volume, "name"), "kube-api-access-")
	volume.projected.sources[_].serviceAccountToken
}

asked_for if {
	input.parameters.allowAsked
	kubernetes.pod_spec.automountServiceAccountToken == true
}

# The API server mounts no token into the mirror of a static Pod.
exempt if {
	input.request.kind.kind == "Pod"
	kubernetes.annotations["kubernetes.io/config.mirror"]
}

exempt if {
	account := kubernetes.service_account(kubernetes.pod_spec)
	some pattern in input.parameters.serviceAccounts
	glob.match(pattern, null, sprintf("%s/%s", [kubernetes.namespace, account]))
}
