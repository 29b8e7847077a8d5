package template

import data.libs.lib.exclude_update.is_update
import data.libs.lib.exempt_container.is_exempt

violation[{"msg": msg, "details": {}}] {
	not is_update(input.review)
	volume := hostpaths[_]
	bad_path(volume)
	msg := sprintf("HostPath volume %v is not allowed, pod: %v. Allowed path: %v", [volume, input.review.object.metadata.name, input.parameters.allowedHostPaths])
}
hostpaths[v] { v := input.review.object.spec.volumes[_]; v.hostPath }
bad_path(v) { not allowed(v) }
allowed(v) {
	p := input.parameters.allowedHostPaths[_]
	matches(p.pathPrefix, v.hostPath.path)
}
matches(prefix, path) {
	a := split(trim(prefix, "/"), "/")
	b := split(trim(path, "/"), "/")
	not mismatch(a, b)
}
mismatch(a, b) { x := a[i]; x != b[i] }
mismatch(a, b) { count(a) > count(b) }
