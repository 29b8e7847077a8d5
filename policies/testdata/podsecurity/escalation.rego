package template

import data.libs.lib.exclude_update.is_update
import data.libs.lib.exempt_container.is_exempt

violation[{"msg": msg, "details": {}}] {
	not is_update(input.review)
	c := containers[_]
	not is_exempt(c)
	allows_escalation(c)
	msg := sprintf("Privilege escalation container is not allowed: %v", [c.name])
}

allows_escalation(c) { not has_field(c, "securityContext") }
allows_escalation(c) { not c.securityContext.allowPrivilegeEscalation == false }
has_field(object, field) { object[field] }
has_field(object, field) { object[field] == false }

containers[c] { c := input.review.object.spec.containers[_] }
containers[c] { c := input.review.object.spec.initContainers[_] }
containers[c] { c := input.review.object.spec.ephemeralContainers[_] }
