package template

import data.libs.lib.exclude_update.is_update
import data.libs.lib.exempt_container.is_exempt

violation[{"msg": msg, "details": {}}] {
	not is_update(input.review)
	c := containers[_]
	not is_exempt(c)
	options := c.securityContext.seLinuxOptions
	not accepted(options)
	msg := sprintf("SELinux options is not allowed, pod: %v, container: %v. Allowed options: %v", [input.review.object.metadata.name, c.name, input.parameters.allowedSELinuxOptions])
}
accepted(options) {
	allowed := input.parameters.allowedSELinuxOptions[_]
	matches(allowed, options, "level")
	matches(allowed, options, "role")
	matches(allowed, options, "type")
	matches(allowed, options, "user")
}
matches(allowed, options, field) { object.get(allowed, field, "") == object.get(options, field, "") }

containers[c] { c := input.review.object.spec.containers[_] }
containers[c] { c := input.review.object.spec.initContainers[_] }
containers[c] { c := input.review.object.spec.ephemeralContainers[_] }
