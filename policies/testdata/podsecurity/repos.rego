package template

import data.libs.lib.exclude_update.is_update
import data.libs.lib.exempt_container.is_exempt

violation[{"msg": msg}] {
	c := containers[_]
	not is_exempt(c)
	not from_allowed(c.image)
	msg := sprintf("container <%v> has an invalid image repo <%v>, allowed repos are %v", [c.name, c.image, input.parameters.repos])
}
from_allowed(image) { startswith(image, input.parameters.repos[_]) }

containers[c] { c := input.review.object.spec.containers[_] }
containers[c] { c := input.review.object.spec.initContainers[_] }
containers[c] { c := input.review.object.spec.ephemeralContainers[_] }
