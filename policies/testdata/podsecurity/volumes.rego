package template

import data.libs.lib.exclude_update.is_update
import data.libs.lib.exempt_container.is_exempt

violation[{"msg": msg, "details": {}}] {
	not is_update(input.review)
	fields := {x | input.review.object.spec.volumes[_][x]; x != "name"}
	field := fields[_]
	not allowed(field)
	msg := sprintf("The volume type %v is not allowed, pod: %v. Allowed volume types: %v", [field, input.review.object.metadata.name, input.parameters.volumes])
}
allowed(field) { input.parameters.volumes[_] == "*" }
allowed(field) { field == input.parameters.volumes[_] }
