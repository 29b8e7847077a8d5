package template

import data.libs.lib.exclude_update.is_update
import data.libs.lib.exempt_container.is_exempt

violation[{"msg": msg, "details": {}}] {
	not is_update(input.review)
	spec := input.review.object.spec
	input.parameters.rule == "MustRunAs"
	fg := spec.securityContext.fsGroup
	not in_ranges(fg)
	msg := sprintf("The provided pod spec fsGroup is not allowed, pod: %v. Allowed fsGroup: %v", [input.review.object.metadata.name, input.parameters])
}
in_ranges(value) { r := input.parameters.ranges[_]; value >= r.min; value <= r.max }
