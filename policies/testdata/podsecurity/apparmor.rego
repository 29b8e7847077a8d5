package template

import data.libs.lib.exclude_update.is_update
import data.libs.lib.exempt_container.is_exempt

violation[{"msg": msg, "details": {}}] {
	not is_update(input.review)
	c := containers[_]
	not is_exempt(c)
	not allowed(c)
	msg := sprintf("AppArmor profile is not allowed, pod: %v, container: %v. Allowed profiles: %v", [input.review.object.metadata.name, c.name, input.parameters.allowedProfiles])
}
allowed(c) { profile(c) == input.parameters.allowedProfiles[_] }
profile(c) = p { p := input.review.object.metadata.annotations[concat("/", ["container.apparmor.security.beta.kubernetes.io", c.name])] }
profile(c) = "runtime/default" { not input.review.object.metadata.annotations[concat("/", ["container.apparmor.security.beta.kubernetes.io", c.name])] }

containers[c] { c := input.review.object.spec.containers[_] }
containers[c] { c := input.review.object.spec.initContainers[_] }
containers[c] { c := input.review.object.spec.ephemeralContainers[_] }
