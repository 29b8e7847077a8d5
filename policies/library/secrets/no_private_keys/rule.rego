# METADATA
# title: Private keys are in Secrets
# description: >-
#   ConfigMaps and the manifests of Pods are read by many who may not read Secrets, are not encrypted at rest as those can be, and
#   stand in repositories. A private key in PEM, which nothing else looks like, is refused in the data of ConfigMaps, in environment
#   variables and in the commands of containers. Other secrets cannot be told surely, and are not looked for.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/configuration/configmap/
#   description: ConfigMaps
# - ref: https://kubernetes.io/docs/concepts/security/secrets-good-practices/
#   description: Good practices for Secrets
# custom:
#   portcullis:
#     severity: high
#     controls: [nsa/secrets]
#     match: {resources: [configmaps, pods, workloads], changes: [pods, data, binaryData]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         podTemplates:
#           description: >-
#             Where custom resources have their Pod template, by resource and group, as in {"rollouts.argoproj.io":
#             "spec.template"}.
#           type: object
#           propertyNames: {format: resource}
#           additionalProperties: {type: string, pattern: '^[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*$'}
#           default: {}
package portcullis.library.secrets.no_private_keys

import data.portcullis.kubernetes

deny contains {"message": message, "field": field} if {
	input.request.kind.kind == "ConfigMap"
	some key, value in kubernetes.object.data
	is_key(value)
	field := sprintf("data[%q]", [key])
	message := sprintf("the key %q of the ConfigMap holds a private key; put it into a Secret", [key])
}

deny contains {"message": message, "field": field} if {
	input.request.kind.kind == "ConfigMap"
	some key, value in kubernetes.object.binaryData
	is_key(base64.decode(value))
	field := sprintf("binaryData[%q]", [key])
	message := sprintf("the key %q of the ConfigMap holds a private key; put it into a Secret", [key])
}

deny contains {"message": message, "field": field} if {
	some entry in kubernetes.containers
	some i, variable in entry.container.env
	is_key(variable.value)
	field := sprintf("%s.env[%d].value", [entry.path, i])
	message := sprintf("%s %q has a private key in its environment variable %s; put it into a Secret and mount that", [
		entry.kind,
		entry.name,
		kubernetes.text(variable, "name"),
	])
}

deny contains {"message": message, "field": field} if {
	some entry in kubernetes.containers
	some name in ["command", "args"]
	some i, word in entry.container[name]
	is_key(word)
	field := sprintf("%s.%s[%d]", [entry.path, name, i])
	message := sprintf("%s %q has a private key in its %s; put it into a Secret and mount that", [entry.kind, entry.name, name])
}

is_key(text) if {
	is_string(text)
	contains(text, "PRIVATE KEY-----")
	contains(text, "-----BEGIN ")
}
