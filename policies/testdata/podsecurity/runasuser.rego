package template

import data.libs.lib.exclude_update.is_update
import data.libs.lib.exempt_container.is_exempt

violation[{"msg": msg}] {
	not is_update(input.review)
	c := containers[_]
	not is_exempt(c)
	field := ["runAsUser", "runAsGroup", "fsGroup", "supplementalGroups"][_]
	rule := input.parameters[field]
	msg := problem(field, rule, c)
}
problem(field, rule, c) = msg {
	value := effective(field, c)
	rule.rule == "MustRunAs"
	not in_range(value, rule)
	msg := sprintf("Container %v is attempting to run with disallowed %v %v. Allowed %v: %v", [c.name, field, value, field, rule])
}
problem(field, rule, c) = msg {
	field == "runAsUser"
	rule.rule == "MustRunAsNonRoot"
	not non_root(c)
	msg := sprintf("Container %v is attempting to run without a required securityContext/runAsNonRoot or securityContext/runAsUser != 0", [c.name])
}
effective(field, c) = v { v := c.securityContext[field] }
effective(field, c) = v { not c.securityContext[field]; v := input.review.object.spec.securityContext[field] }
non_root(c) { c.securityContext.runAsNonRoot }
non_root(c) { effective("runAsUser", c) != 0 }
non_root(c) { input.review.object.spec.securityContext.runAsNonRoot }
in_range(v, rule) { r := rule.ranges[_]; to_number(v) >= r.min; to_number(v) <= r.max }

containers[c] { c := input.review.object.spec.containers[_] }
containers[c] { c := input.review.object.spec.initContainers[_] }
containers[c] { c := input.review.object.spec.ephemeralContainers[_] }
