# METADATA
# title: Custom resources have schemas, and conversion can be trusted
# description: >-
#   A CustomResourceDefinition without a schema lets anything be stored, and one that keeps unknown fields lets misspelt ones pass. A
#   conversion webhook sees and writes every object of the kind: without a bundle of authorities whoever has a certificate of any
#   public one may answer in its place. Where another program writes the bundle, an annotation of the parameter says so.
# related_resources:
# - ref: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
#   description: Structural schemas
# - ref: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/#webhook-conversion
#   description: Webhook conversion
# custom:
#   portcullis:
#     severity: medium
#     match: {resources: [customresourcedefinitions.apiextensions.k8s.io]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         allowUnknownFields:
#           description: Whether the root of a schema may have x-kubernetes-preserve-unknown-fields.
#           type: boolean
#           default: false
#         injectors:
#           description: Annotations by which another program is asked to write the bundle.
#           type: array
#           items: {type: string, format: annotation-key}
#           default:
#           - cert-manager.io/inject-ca-from
#           - cert-manager.io/inject-ca-from-secret
#           - cert-manager.io/inject-apiserver-ca
#           - service.beta.openshift.io/inject-cabundle
package portcullis.library.extensions.custom_resources

import data.portcullis.kubernetes

deny contains {"message": message, "field": "spec.preserveUnknownFields"} if {
	kubernetes.object.spec.preserveUnknownFields == true
	message := "every field of the custom resource is kept, whatever its name; set spec.preserveUnknownFields to false"
}

deny contains {"message": message, "field": field} if {
	some i, version in kubernetes.object.spec.versions
	not described(version)
	field := sprintf("spec.versions[%d].schema", [i])
	message := sprintf("the version %s has no schema; describe its fields in openAPIV3Schema", [kubernetes.text(version, "name")])
}

deny contains {"message": message, "field": field} if {
	not input.parameters.allowUnknownFields
	some i, version in kubernetes.object.spec.versions
	version.schema.openAPIV3Schema["x-kubernetes-preserve-unknown-fields"] == true
	field := sprintf("spec.versions[%d].schema.openAPIV3Schema.x-kubernetes-preserve-unknown-fields", [i])
	message := sprintf("the version %s keeps every field, whatever its name; describe its fields instead", [kubernetes.text(version, "name")])
}

deny contains {"message": message, "field": "spec.conversion.webhook.clientConfig.caBundle"} if {
	kubernetes.object.spec.conversion.strategy == "Webhook"
	not trusted
	not injected
	message := "the conversion webhook is trusted whoever answers; set caBundle, or have it written by a program of your choice"
}

described(version) if is_object(version.schema.openAPIV3Schema)

trusted if kubernetes.text(kubernetes.object.spec.conversion.webhook.clientConfig, "caBundle") != ""

injected if {
	some key in input.parameters.injectors
	kubernetes.annotations[key]
}
