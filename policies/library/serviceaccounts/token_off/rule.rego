# METADATA
# title: No token where nothing asks for it
# description: >-
#   Whoever breaks into a container finds the token of its service account, though hardly any program calls the Kubernetes API. A Pod
#   that does not say automountServiceAccountToken, and whose service account is in the parameter, gets none: the field
#   is set to false, and the volume kube-api-access-... that the API server has added by then is taken out again with its
#   mounts. By default that is the account default of each namespace: a Pod that names another asks for an identity. A token
#   that a Pod mounts by a volume of its own stays. Pods are edited and not their workloads, so that what is in Git and what
#   is in the cluster stay the same.
# related_resources:
# - ref: https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#opt-out-of-api-credential-automounting
#   description: Opt out of API credential automounting
# custom:
#   portcullis:
#     severity: medium
#     controls: [cis-1.9/5.1.6, nsa/service-account-tokens]
#     match: {resources: [pods], operations: [CREATE]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         serviceAccounts:
#           description: >-
#             The service accounts whose Pods get no token unless they ask for it, as globs in which a star stands for any text.
#           type: array
#           minItems: 1
#           items: {type: string, pattern: "^[a-z0-9.*-]+$"}
#           default: [default]
package portcullis.library.serviceaccounts.token_off

import data.portcullis.kubernetes

mutate contains {"default": ["spec", "automountServiceAccountToken"], "value": false} if covered

mutate contains {"remove": ["spec", "volumes", {"name": name}]} if some name in added

mutate contains {"remove": ["spec", field, {"name": container.name}, "volumeMounts", {"name": name}]} if {
	some name in added
	some field in ["initContainers", "containers"]
	some container in kubernetes.pod_spec[field]
	some mount in container.volumeMounts
	mount.name == name
}

covered if {
	kubernetes.pod_spec
	object.get(kubernetes.pod_spec, "automountServiceAccountToken", null) == null
	account := kubernetes.service_account(kubernetes.pod_spec)
	some pattern in input.parameters.serviceAccounts
	glob.match(pattern, null, account)
}

# The volumes with the token that the API server has added.
added contains volume.name if {
	covered
	some volume in kubernetes.pod_spec.volumes
	startswith(kubernetes.text(volume, "name"), "kube-api-access-")
	some source in volume.projected.sources
	source.serviceAccountToken
}
