package template

import data.libs.lib.exempt_container.is_exempt

violation[{"msg": msg}] {
	not wildcard
	allowed_profiles := {p | p := input.parameters.allowedProfiles[_]}
	c := containers[_]
	not is_exempt(c)
	result := profile(c)
	not allowed_profiles[result.profile]
	msg := sprintf("Seccomp profile '%v' is not allowed for container '%v'. Found at: %v. Allowed profiles: %v", [result.profile, c.name, result.location, allowed_profiles])
}
wildcard { input.parameters.allowedProfiles[_] == "*" }
profile(c) = {"profile": p, "location": "container securityContext"} { p := c.securityContext.seccompProfile.type }
profile(c) = {"profile": p, "location": "pod securityContext"} {
	not c.securityContext.seccompProfile
	p := input.review.object.spec.securityContext.seccompProfile.type
}
profile(c) = {"profile": p, "location": "annotation"} {
	not c.securityContext.seccompProfile
	not input.review.object.spec.securityContext.seccompProfile
	p := input.review.object.metadata.annotations[sprintf("container.seccomp.security.alpha.kubernetes.io/%v", [c.name])]
}
profile(c) = {"profile": "not configured", "location": "no explicit profile found"} {
	not c.securityContext.seccompProfile
	not input.review.object.spec.securityContext.seccompProfile
	not input.review.object.metadata.annotations[sprintf("container.seccomp.security.alpha.kubernetes.io/%v", [c.name])]
}

containers[c] { c := input.review.object.spec.containers[_] }
containers[c] { c := input.review.object.spec.initContainers[_] }
containers[c] { c := input.review.object.spec.ephemeralContainers[_] }
