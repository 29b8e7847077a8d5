package template

import data.libs.lib.exclude_update.is_update
import data.libs.lib.exempt_container.is_exempt

violation[{"msg": msg}] {
	c := containers[_]
	not is_exempt(c)
	tags := [forbid | tag := input.parameters.tags[_]; forbid := endswith(c.image, concat(":", ["", tag]))]
	any(tags)
	msg := sprintf("container <%v> uses a disallowed tag <%v>; disallowed tags are %v", [c.name, c.image, input.parameters.tags])
}
violation[{"msg": msg}] {
	c := containers[_]
	not is_exempt(c)
	tag := [contains(c.image, ":")]
	not all(tag)
	msg := sprintf("container <%v> didn't specify an image tag <%v>", [c.name, c.image])
}

containers[c] { c := input.review.object.spec.containers[_] }
containers[c] { c := input.review.object.spec.initContainers[_] }
containers[c] { c := input.review.object.spec.ephemeralContainers[_] }
