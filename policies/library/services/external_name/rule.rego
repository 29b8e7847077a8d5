# METADATA
# title: Names of others are not Services
# description: >-
#   A Service of type ExternalName sends whoever asks for it to any name at all: past network policies, to a host of somebody
#   else, or, by way of an Ingress controller that follows it, into another namespace. Names of the domains of the
#   parameter, and of everything below them, are allowed.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/services-networking/service/#externalname
#   description: Services of type ExternalName
# custom:
#   portcullis:
#     severity: medium
#     match: {resources: [services]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         allowedDomains:
#           description: Domains that Services may stand for, each with everything below it, as db.example.com.
#           type: array
#           items: {type: string, pattern: "^[a-z0-9-]+([.][a-z0-9-]+)*$"}
#           default: []
package portcullis.library.services.external_name

import data.portcullis.kubernetes

deny contains {"message": message, "field": "spec.externalName"} if {
	kubernetes.object.spec.type == "ExternalName"
	not allowed
	message := sprintf("the Service %s stands for %v, which is not of an allowed domain; %s", [
		kubernetes.name,
		object.get(kubernetes.object.spec, "externalName", "no name"),
		remedy,
	])
}

# The dots keep example.com from allowing evil-example.com.
allowed if {
	name := kubernetes.object.spec.externalName
	is_string(name)
	dotted := concat("", [".", lower(trim_suffix(name, "."))])
	some domain in input.parameters.allowedDomains
	endswith(dotted, concat("", [".", domain]))
}

remedy := "use another type of Service" if count(input.parameters.allowedDomains) == 0

remedy := sprintf("use one of %s", [concat(", ", input.parameters.allowedDomains)]) if count(input.parameters.allowedDomains) > 0
