# METADATA
# title: Liveness gives up later than readiness
# description: >-
#   A container that does not answer because it has too much to do should be left alone, which readiness sees to, and not be
#   killed, which leaves the others with still more. Where both probes ask the same question, the liveness probe must
#   take longer to give up: failureThreshold times periodSeconds must be more than the readiness probe's.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/
#   description: Liveness, readiness and startup probes
# custom:
#   portcullis:
#     severity: low
#     match: {resources: [pods, workloads], changes: [pods]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         exemptImages:
#           description: Images whose containers may have any probes, as they are written, as globs in which a star stands for any text.
#           type: array
#           items: {type: string, pattern: "^[a-zA-Z0-9._:/@*-]+$"}
#           default: []
#         podTemplates:
#           description: >-
#             Where custom resources have their Pod template, by resource and group, as in {"rollouts.argoproj.io":
#             "spec.template"}.
#           type: object
#           propertyNames: {format: resource}
#           additionalProperties: {type: string, pattern: '^[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*$'}
#           default: {}
package portcullis.library.probes.distinct

import data.portcullis.images
import data.portcullis.kubernetes

deny contains {"message": message, "field": field} if {
	some entry in kubernetes.containers
	liveness := entry.container.livenessProbe
	readiness := entry.container.readinessProbe
	asked(liveness) == asked(readiness)
	patience(liveness) <= patience(readiness)
	not images.like(object.get(entry.container, "image", ""), input.parameters.exemptImages)
	field := sprintf("%s.livenessProbe", [entry.path])
	message := sprintf("%s %q is killed by its liveness probe as soon as its readiness probe fails, %s; %s", [
		entry.kind,
		entry.name,
		"since both ask the same",
		"raise livenessProbe.failureThreshold, or ask something else",
	])
}

# What a probe asks, with what Kubernetes fills in.
asked(probe) := object.union({"path": "/", "scheme": "HTTP"}, probe.httpGet) if {
	is_object(probe.httpGet)
} else := object.union({"service": ""}, probe.grpc) if {
	is_object(probe.grpc)
} else := probe.tcpSocket if {
	is_object(probe.tcpSocket)
} else := probe.exec if {
	is_object(probe.exec)
}

# For how many seconds a probe may fail before something comes of it.
patience(probe) := number(probe, "failureThreshold", 3) * number(probe, "periodSeconds", 10)

number(probe, key, otherwise) := probe[key] if {
	is_number(probe[key])
} else := otherwise
