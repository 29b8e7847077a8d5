# METADATA
# title: Ingresses of allowed classes only
# description: >-
#   The class of an Ingress says which controller serves it, and with that whether it is public. It must be one of the parameter. The
#   annotation of old, kubernetes.io/ingress.class, which controllers still follow, is judged like the field. An Ingress
#   without a class gets the default class of the cluster before it is judged here, if there is one.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/services-networking/ingress/#ingress-class
#   description: Ingress classes
# custom:
#   portcullis:
#     severity: medium
#     match: {resources: [ingresses.networking.k8s.io]}
#     parameters:
#       type: object
#       additionalProperties: false
#       required: [classes]
#       properties:
#         classes:
#           description: The classes an Ingress may have.
#           type: array
#           minItems: 1
#           items: {type: string, minLength: 1}
#         required:
#           description: Whether an Ingress needs a class.
#           type: boolean
#           default: true
#       examples:
#       - classes: [internal]
package portcullis.library.ingresses.allowed_classes

import data.portcullis.kubernetes

deny contains {"message": message, "field": field} if {
	some field, class in named
	not class in input.parameters.classes
	message := sprintf("the class %v is not allowed; use %s", [class, wanted])
}

deny contains {"message": message, "field": "spec.ingressClassName"} if {
	input.parameters.required
	count(named) == 0
	message := sprintf("the Ingress has no class; set spec.ingressClassName to %s", [wanted])
}

named["spec.ingressClassName"] := class if {
	class := kubernetes.object.spec.ingressClassName
	class != null
}

named["metadata.annotations[\"kubernetes.io/ingress.class\"]"] := kubernetes.annotations["kubernetes.io/ingress.class"]

wanted := concat(" or ", input.parameters.classes)
