# METADATA
# title: Nothing lives in the namespace default
# description: >-
#   What is created without a namespace lands in default, where it has no owner, no quota and the company of all else that was
#   forgotten there. Objects of the kinds that teams make are created in namespaces of their own. What Kubernetes itself keeps in
#   default is left alone.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/
#   description: Namespaces
# custom:
#   portcullis:
#     severity: low
#     controls: [cis-1.9/5.7.4]
#     match:
#       resources:
#       - configmaps
#       - ingresses.networking.k8s.io
#       - persistentvolumeclaims
#       - pods
#       - secrets
#       - serviceaccounts
#       - services
#       - workloads
#       operations: [CREATE]
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         namespaces:
#           description: The namespaces in which nothing is created.
#           type: array
#           minItems: 1
#           items: {type: string, format: namespace}
#           default: [default]
package portcullis.library.namespaces.no_default

import data.portcullis.kubernetes

deny contains {"message": message, "field": "metadata.namespace"} if {
	kubernetes.namespace in input.parameters.namespaces
	not its_own
	message := sprintf("%s is in the namespace %s; create it in a namespace of its own", [input.request.kind.kind, kubernetes.namespace])
}

its_own if {
	name := kubernetes.object.metadata.name
	[input.request.kind.kind, name] in {["ConfigMap", "kube-root-ca.crt"], ["Service", "kubernetes"], ["ServiceAccount", "default"]}
}
