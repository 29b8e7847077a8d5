# METADATA
# title: No tokens that never expire
# description: >-
#   A Secret of the type kubernetes.io/service-account-token is filled with a token that is good until the Secret is deleted,
#   whoever has come to read it. Tokens of the TokenRequest API expire, and so do those that are mounted into Pods. Secrets that
#   exist already are not judged again.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/security/service-accounts/#get-a-token
#   description: Assign a ServiceAccount to a Pod, and get its token
# custom:
#   portcullis:
#     severity: high
#     controls: [nsa/service-account-tokens]
#     match: {resources: [secrets], operations: [CREATE]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         serviceAccounts:
#           description: Service accounts that may have such a Secret, as NAMESPACE/NAME, in which a star stands for any text.
#           type: array
#           items: {type: string, pattern: "^[a-z0-9.*-]+/[a-z0-9.*-]+$"}
#           default: []
#       examples:
#       - serviceAccounts: [ci/legacy]
package portcullis.library.serviceaccounts.no_token_secrets

import data.portcullis.kubernetes

deny contains {"message": message, "field": "type"} if {
	kubernetes.object.type == "kubernetes.io/service-account-token"
	account := object.get(kubernetes.annotations, "kubernetes.io/service-account.name", "")
	not exempt(account)
	message := sprintf("the Secret would hold a token of the service account %q that never expires; use kubectl create token, or mount one", [
		account,
	])
}

exempt(account) if {
	some pattern in input.parameters.serviceAccounts
	glob.match(pattern, null, sprintf("%s/%s", [kubernetes.namespace, account]))
}
