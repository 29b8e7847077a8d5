# METADATA
# title: Extension API servers can be trusted
# description: >-
#   An APIService has the API server pass requests on, with the names of users in them, and believe the answers. It checks the
#   certificate of whoever answers, and does not take over the API of a group that Kubernetes serves itself.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/extend-kubernetes/api-extension/apiserver-aggregation/
#   description: The aggregation layer
# custom:
#   portcullis:
#     severity: high
#     match: {resources: [apiservices.apiregistration.k8s.io]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         reservedGroups:
#           description: API groups that no service may serve. The empty text is the group of Pods and Secrets.
#           type: array
#           items: {type: string}
#           default:
#           - ""
#           - admissionregistration.k8s.io
#           - apiextensions.k8s.io
#           - apiregistration.k8s.io
#           - apps
#           - authentication.k8s.io
#           - authorization.k8s.io
#           - autoscaling
#           - batch
#           - certificates.k8s.io
#           - coordination.k8s.io
#           - discovery.k8s.io
#           - events.k8s.io
#           - flowcontrol.apiserver.k8s.io
#           - internal.apiserver.k8s.io
#           - lifecycle.k8s.io
#           - networking.k8s.io
#           - node.k8s.io
#           - policy
#           - rbac.authorization.k8s.io
#           - resource.k8s.io
#           - scheduling.k8s.io
#           - storage.k8s.io
#           - storagemigration.k8s.io
#         exemptServices:
#           description: >-
#             APIServices that may do without a checked certificate, by name, as v1beta1.metrics.k8s.io.
#           type: array
#           items: {type: string, minLength: 1}
#           default: []
package portcullis.library.extensions.api_services

import data.portcullis.kubernetes

deny contains {"message": message, "field": "spec.insecureSkipTLSVerify"} if {
	kubernetes.object.spec.insecureSkipTLSVerify == true
	name := object.get(kubernetes.object, ["metadata", "name"], "")
	not name in input.parameters.exemptServices
	message := "whoever answers in place of the extension API server is believed; set caBundle instead of insecureSkipTLSVerify"
}

deny contains {"message": message, "field": "spec.service"} if {
	kubernetes.object.spec.service != null
	group := object.get(kubernetes.object, ["spec", "group"], "")
	group in input.parameters.reservedGroups
	message := sprintf("a service would take over the API group %q of Kubernetes; serve a group of your own", [group])
}
