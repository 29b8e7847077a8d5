# METADATA
# title: Sealed namespaces
# description: >-
#   Nobody reads the Secrets of a sealed namespace through the API, cluster administrators included; only the named users and
#   groups do, which by default are the components of Kubernetes that cannot do without. A list or watch of all namespaces
#   would include the sealed ones and is refused as well. Whoever may create pods in a sealed namespace, or open a shell in
#   them, reads what those pods mount: keep that right scarce. The group system:masters is never asked about and cannot be
#   kept out.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/security/secrets-good-practices/
#   description: Good practices for Secrets
# custom:
#   portcullis:
#     severity: critical
#     controls: [cis-1.9/5.1.2]
#     match: {stage: guard, resources: [secrets], operations: ["*"]}
#     parameters:
#       type: object
#       additionalProperties: false
#       required: [namespaces]
#       properties:
#         namespaces:
#           description: The sealed namespaces.
#           type: array
#           minItems: 1
#           items: {type: string, minLength: 1}
#         exceptUsers:
#           description: Users who may read the Secrets all the same.
#           type: array
#           items: {type: string, minLength: 1}
#           default: [system:kube-controller-manager]
#         exceptGroups:
#           description: Groups whose members may read the Secrets all the same.
#           type: array
#           items: {type: string, minLength: 1}
#           default: [system:nodes, system:serviceaccounts:kube-system]
#       examples:
#       - namespaces: [vault, payments]
package portcullis.library.access.sealed_namespaces

deny contains message if {
	reads_secrets
	attributes.namespace in input.parameters.namespaces
	not excepted
	message := sprintf("namespace %q is sealed: nobody reads its Secrets through the API", [attributes.namespace])
}

deny contains message if {
	reads_secrets
	object.get(attributes, "namespace", "") == ""
	not excepted
	message := "Secrets of all namespaces would include those of sealed namespaces; ask for those of one namespace"
}

attributes := input.spec.resourceAttributes

# A star in a question means any of them, so it includes the Secrets and the reading. Every verb but two reads: the answer to a
# patch, and to a delete that has to wait or is a dry run, is the whole Secret.
reads_secrets if {
	attributes.resource in {"secrets", "*"}
	object.get(attributes, "group", "") in {"", "*"}
	not object.get(attributes, "verb", "") in {"create", "update"}
}

excepted if input.spec.user in input.parameters.exceptUsers

excepted if {
	some group in input.spec.groups
	group in input.parameters.exceptGroups
}
