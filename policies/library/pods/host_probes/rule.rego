# METADATA
# title: Probes and lifecycle handlers stay with their Pod
# description: >-
#   The kubelet makes the requests of probes and lifecycle handlers, from the network of the node. With a host of its
#   own such a request reaches whatever the node reaches, in the name of whoever writes the Pod.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/
#   description: Pod Security Standards, baseline
# - ref: https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/
#   description: Probes
# custom:
#   portcullis:
#     severity: medium
#     controls: [pss/baseline, pss/restricted]
#     match: {resources: [pods, workloads], changes: [pods]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         version:
#           description: >-
#             The version of the Pod Security Standards to judge by, as v1.30, or latest. The rule is there since v1.34.
#           type: string
#           pattern: '^(latest|v1\.(0|[1-9][0-9]*))$'
#           default: latest
#         podTemplates:
#           description: >-
#             Where custom resources have their Pod template, by resource and group, as in {"rollouts.argoproj.io":
#             "spec.template"}.
#           type: object
#           propertyNames: {format: resource}
#           additionalProperties: {type: string, pattern: '^[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*$'}
#           default: {}
package portcullis.library.pods.host_probes

import data.portcullis.kubernetes
import data.portcullis.pod_security

deny contains {"message": message, "field": field} if {
	some entry in kubernetes.containers
	some probe in ["livenessProbe", "readinessProbe", "startupProbe"]
	some action, of in entry.container[probe]
	elsewhere(action, of)
	judged
	field := sprintf("%s.%s.%s.host", [entry.path, probe, action])
	message := sprintf("the %s of %s %q asks the host %v; remove %s.host", [probe, entry.kind, entry.name, of.host, action])
}

deny contains {"message": message, "field": field} if {
	some entry in kubernetes.containers
	some hook in ["postStart", "preStop"]
	some action, of in entry.container.lifecycle[hook]
	elsewhere(action, of)
	judged
	field := sprintf("%s.lifecycle.%s.%s.host", [entry.path, hook, action])
	message := sprintf("the %s handler of %s %q asks the host %v; remove %s.host", [
		hook,
		entry.kind,
		entry.name,
		of.host,
		action,
	])
}

elsewhere(action, of) if {
	action in {"httpGet", "tcpSocket"}
	not of.host in {"", null}
}

judged if pod_security.since(input.parameters.version, 34)
