# METADATA
# title: Probes of what runs for long
# description: >-
#   Without a readiness probe a container is sent requests before it can answer them, and without a liveness probe one that
#   hangs does so until somebody looks. Each container that is to run for long needs the probes of the parameter; one is to
#   run for long if it is restarted whenever it ends. So Pods of Jobs are not judged, nor are init containers, other than
#   sidecars, and ephemeral containers, which cannot have probes.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/
#   description: Liveness, readiness and startup probes
# - ref: https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/
#   description: Sidecar containers
# custom:
#   portcullis:
#     severity: low
#     match: {resources: [pods, workloads], changes: [pods]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         probes:
#           description: The probes a container needs.
#           type: array
#           minItems: 1
#           items: {type: string, enum: [livenessProbe, readinessProbe, startupProbe]}
#           default: [livenessProbe, readinessProbe]
#         sidecars:
#           description: Whether init containers that are sidecars, by restartPolicy Always, need them as well.
#           type: boolean
#           default: true
#         exemptImages:
#           description: Images whose containers need no probes, as they are written, as globs in which a star stands for any text.
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
package portcullis.library.probes.required

import data.portcullis.images
import data.portcullis.kubernetes

deny contains {"message": message, "field": field} if {
	some entry in kubernetes.containers
	some probe in input.parameters.probes
	not has(entry.container, probe)
	runs_for_long(entry)
	not images.like(kubernetes.text(entry.container, "image"), input.parameters.exemptImages)
	field := sprintf("%s.%s", [entry.path, probe])
	message := sprintf("%s %q has no %s; add one", [entry.kind, entry.name, probe])
}

runs_for_long(entry) if {
	entry.kind == "container"
	policy(entry.container) == "Always"
}

runs_for_long(entry) if {
	entry.kind == "init container"
	entry.container.restartPolicy == "Always"
	input.parameters.sidecars
}

has(container, probe) if is_object(container[probe])

# A container may have a restart policy other than its Pod's. What neither says is Always.
policy(container) := container.restartPolicy if {
	is_string(container.restartPolicy)
} else := kubernetes.pod_spec.restartPolicy if {
	is_string(kubernetes.pod_spec.restartPolicy)
} else := "Always"
