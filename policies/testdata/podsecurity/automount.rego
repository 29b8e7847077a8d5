package template

import data.libs.lib.exclude_update.is_update
import data.libs.lib.exempt_container.is_exempt

violation[{"msg": msg}] {
	not is_update(input.review)
	obj := input.review.object
	mounts(obj.spec)
	msg := sprintf("Automounting service account token is disallowed, pod: %v", [obj.metadata.name])
}
mounts(spec) { spec.automountServiceAccountToken == true }
mounts(spec) {
	not has_key(spec, "automountServiceAccountToken")
	"/var/run/secrets/kubernetes.io/serviceaccount" == containers[_].volumeMounts[_].mountPath
}
has_key(x, k) { _ = x[k] }

containers[c] { c := input.review.object.spec.containers[_] }
containers[c] { c := input.review.object.spec.initContainers[_] }
containers[c] { c := input.review.object.spec.ephemeralContainers[_] }
