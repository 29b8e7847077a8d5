# METADATA
# title: No shells in running pods
# description: >-
#   Whoever opens a shell in a running pod acts with its secrets and leaves no trace in its image. The commands exec and
#   attach are refused in the namespaces of the parameter, except to members of exempt groups. Ephemeral containers are
#   another way in; they are an update of pods/ephemeralcontainers, which this policy does not see.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/security/rbac-good-practices/
#   description: RBAC good practices
# custom:
#   portcullis:
#     severity: medium
#     match: {resources: [pods/exec, pods/attach], operations: [CONNECT]}
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         namespaces:
#           description: Where exec and attach are refused, as globs in which a star stands for any text.
#           type: array
#           items: {type: string, format: namespace-glob}
#           default: ["*"]
#         exemptGroups:
#           description: Groups whose members may use exec and attach all the same.
#           type: array
#           items: {type: string, minLength: 1}
#           default: []
#       examples:
#       - exemptGroups: [on-call]
package portcullis.library.pods.no_exec

import data.portcullis.kubernetes

deny contains message if {
	kubernetes.operation == "CONNECT"
	input.request.subResource in {"exec", "attach"}
	some pattern in input.parameters.namespaces
	glob.match(pattern, null, kubernetes.namespace)
	not exempt
	message := sprintf("%s into pods of namespace %q is not allowed; use logs and metrics instead", [
		input.request.subResource,
		kubernetes.namespace,
	])
}

exempt if {
	some group in kubernetes.user.groups
	group in input.parameters.exemptGroups
}
