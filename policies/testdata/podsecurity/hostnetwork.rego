package template

import data.libs.lib.exclude_update.is_update
import data.libs.lib.exempt_container.is_exempt

violation[{"msg": msg, "details": {}}] {
	not is_update(input.review)
	bad_network(input.review.object)
	msg := sprintf("The specified hostNetwork and hostPort are not allowed, pod: %v. Allowed values: %v", [input.review.object.metadata.name, input.parameters])
}
bad_network(o) { not input.parameters.hostNetwork; o.spec.hostNetwork }
bad_network(o) {
	hostPort := containers[_].ports[_].hostPort
	hostPort < input.parameters.min
}
bad_network(o) {
	hostPort := containers[_].ports[_].hostPort
	hostPort > input.parameters.max
}

containers[c] { c := input.review.object.spec.containers[_] }
containers[c] { c := input.review.object.spec.initContainers[_] }
containers[c] { c := input.review.object.spec.ephemeralContainers[_] }
