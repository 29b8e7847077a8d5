# METADATA
# title: Secrets are not in the environment
# description: >-
#   What is in the environment of a process is passed on to those it starts, shows in crash reports and in /proc, and stays as it was
#   when the Secret is renewed. Containers of every kind mount Secrets as files. Secrets of the parameter may be in the environment.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/security/secrets-good-practices/
#   description: Good practices for Secrets
# custom:
#   portcullis:
#     severity: medium
#     controls: [cis-1.9/5.4.1, nsa/secrets]
#     match: {resources: [pods, workloads], changes: [pods]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         allowSingle:
#           description: Whether single values may be taken by valueFrom.secretKeyRef, so that only whole Secrets by envFrom are refused.
#           type: boolean
#           default: false
#         exemptSecrets:
#           description: Names of Secrets that may be in the environment, in which a star stands for any text.
#           type: array
#           items: {type: string, pattern: "^[a-z0-9.*-]+$"}
#           default: []
#         podTemplates:
#           description: >-
#             Where custom resources have their Pod template, by resource and group, as in {"rollouts.argoproj.io":
#             "spec.template"}.
#           type: object
#           propertyNames: {format: resource}
#           additionalProperties: {type: string, pattern: '^[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*$'}
#           default: {}
package portcullis.library.secrets.no_environment

import data.portcullis.kubernetes

deny contains {"message": message, "field": field} if {
	not input.parameters.allowSingle
	some entry in kubernetes.containers
	some i, variable in entry.container.env
	source := variable.valueFrom.secretKeyRef
	source != null
	name := kubernetes.text(source, "name")
	not exempt(name)
	field := sprintf("%s.env[%d].valueFrom.secretKeyRef", [entry.path, i])
	message := sprintf("%s %q has a value of the Secret %q in its environment variable %s; mount the Secret as a file", [
		entry.kind,
		entry.name,
		name,
		kubernetes.text(variable, "name"),
	])
}

deny contains {"message": message, "field": field} if {
	some entry in kubernetes.containers
	some i, from in entry.container.envFrom
	from.secretRef != null
	name := kubernetes.text(from.secretRef, "name")
	not exempt(name)
	field := sprintf("%s.envFrom[%d].secretRef", [entry.path, i])
	message := sprintf("%s %q has the Secret %q in its environment; mount it as files", [entry.kind, entry.name, name])
}

exempt(name) if {
	some pattern in input.parameters.exemptSecrets
	glob.match(pattern, null, name)
}
