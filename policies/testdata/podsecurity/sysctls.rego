package template

import data.libs.lib.exclude_update.is_update
import data.libs.lib.exempt_container.is_exempt

violation[{"msg": msg, "details": {}}] {
	not is_update(input.review)
	sysctl := input.review.object.spec.securityContext.sysctls[_].name
	forbidden(sysctl)
	msg := sprintf("The sysctl %v is not allowed, pod: %v. Forbidden sysctls: %v", [sysctl, input.review.object.metadata.name, input.parameters.forbiddenSysctls])
}
forbidden(sysctl) { input.parameters.forbiddenSysctls[_] == "*" }
forbidden(sysctl) { input.parameters.forbiddenSysctls[_] == sysctl }
forbidden(sysctl) { startswith(sysctl, trim_suffix(input.parameters.forbiddenSysctls[_], "*")) }
