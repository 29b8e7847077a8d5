package template

import data.libs.lib.exclude_update.is_update
import data.libs.lib.exempt_container.is_exempt

violation[{"msg": msg, "details": {}}] {
	not is_update(input.review)
	c := containers[_]
	not is_exempt(c)
	not c.securityContext.readOnlyRootFilesystem == true
	msg := sprintf("only read-only root filesystem container is allowed: %v", [c.name])
}

containers[c] { c := input.review.object.spec.containers[_] }
containers[c] { c := input.review.object.spec.initContainers[_] }
containers[c] { c := input.review.object.spec.ephemeralContainers[_] }
