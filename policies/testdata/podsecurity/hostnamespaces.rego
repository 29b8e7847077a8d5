package template

import data.libs.lib.exclude_update.is_update
import data.libs.lib.exempt_container.is_exempt

violation[{"msg": msg, "details": {}}] {
	not is_update(input.review)
	shares(input.review.object)
	msg := sprintf("Sharing the host namespace is not allowed: %v", [input.review.object.metadata.name])
}
shares(o) { o.spec.hostPID }
shares(o) { o.spec.hostIPC }
