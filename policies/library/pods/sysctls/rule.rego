# METADATA
# title: No unsafe kernel parameters
# description: >-
#   Most sysctls are for the whole node, or can be used to harm it. A Pod may set those that are its own alone and known
#   to be safe.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/
#   description: Pod Security Standards, baseline
# - ref: https://kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster/
#   description: Sysctls
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
#             The version of the Pod Security Standards to judge by, as v1.30, or latest. Versions differ in which
#             sysctls are known to be safe.
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
package portcullis.library.pods.sysctls

import data.portcullis.kubernetes
import data.portcullis.pod_security

deny contains {"message": message, "field": field} if {
	some i, sysctl in kubernetes.pod_spec.securityContext.sysctls
	not safe(sysctl)
	field := sprintf("%s.securityContext.sysctls[%d].name", [kubernetes.pod_spec_path, i])
	message := sprintf("the sysctl %q is not known to be safe; remove it", [name_of(sysctl)])
}

safe(sysctl) if pod_security.since(input.parameters.version, safe_since[sysctl.name])

name_of(sysctl) := sysctl.name if is_string(sysctl.name)

else := ""

safe_since := {
	"kernel.shm_rmid_forced": 0,
	"net.ipv4.ip_local_port_range": 0,
	"net.ipv4.ip_local_reserved_ports": 27,
	"net.ipv4.ip_unprivileged_port_start": 0,
	"net.ipv4.ping_group_range": 0,
	"net.ipv4.tcp_fin_timeout": 29,
	"net.ipv4.tcp_keepalive_intvl": 29,
	"net.ipv4.tcp_keepalive_probes": 29,
	"net.ipv4.tcp_keepalive_time": 29,
	"net.ipv4.tcp_notsent_lowat": 37,
	"net.ipv4.tcp_rmem": 32,
	"net.ipv4.tcp_slow_start_after_idle": 37,
	"net.ipv4.tcp_syncookies": 0,
	"net.ipv4.tcp_wmem": 32,
}
