# METADATA
# title: No namespaces of the host
# description: >-
#   A pod in the network, process or IPC namespace of its node sees the traffic, the processes and the memory of everything
#   else on that node.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/
#   description: Pod Security Standards, baseline
# custom:
#   portcullis:
#     severity: high
#     controls: [pss/baseline, cis-1.9/5.2.3, cis-1.9/5.2.4, cis-1.9/5.2.5]
#     match: {resources: [pods, workloads]}
package portcullis.library.pods.host_namespaces

import data.portcullis.kubernetes

deny contains {"message": message, "field": path} if {
	some field in ["hostNetwork", "hostPID", "hostIPC"]
	kubernetes.pod_spec[field] == true
	path := sprintf("%s.%s", [kubernetes.pod_spec_path, field])
	message := sprintf("%s shares a namespace of the node; remove it", [field])
}
