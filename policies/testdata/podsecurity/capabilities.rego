package template

import data.libs.lib.exclude_update.is_update
import data.libs.lib.exempt_container.is_exempt

violation[{"msg": msg}] {
	not is_update(input.review)
	c := containers[_]
	not is_exempt(c)
	has_disallowed(c)
	msg := sprintf("container <%v> has a disallowed capability. Allowed capabilities are %v", [c.name, get_default(input.parameters, "allowedCapabilities", "NONE")])
}
violation[{"msg": msg}] {
	not is_update(input.review)
	c := containers[_]
	not is_exempt(c)
	missing_drop(c)
	msg := sprintf("container <%v> is not dropping all required capabilities. Container must drop all of %v or \"ALL\"", [c.name, input.parameters.requiredDropCapabilities])
}

has_disallowed(c) {
	allowed := {lower(x) | x := input.parameters.allowedCapabilities[_]}
	not allowed["*"]
	capabilities := {lower(x) | x := c.securityContext.capabilities.add[_]}
	count(capabilities - allowed) > 0
}
missing_drop(c) {
	must := {lower(x) | x := input.parameters.requiredDropCapabilities[_]}
	all := {"all"}
	dropped := {lower(x) | x := c.securityContext.capabilities.drop[_]}
	count(must - dropped) > 0
	count(all - dropped) > 0
}
get_default(object, field, _default) = value { value := object[field] }
get_default(object, field, _default) = value { not object[field]; not object[field] == false; value := _default }

containers[c] { c := input.review.object.spec.containers[_] }
containers[c] { c := input.review.object.spec.initContainers[_] }
containers[c] { c := input.review.object.spec.ephemeralContainers[_] }
