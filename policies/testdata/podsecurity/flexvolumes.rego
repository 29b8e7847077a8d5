package template

import data.libs.lib.exclude_update.is_update
import data.libs.lib.exempt_container.is_exempt

violation[{"msg": msg, "details": {}}] {
	not is_update(input.review)
	volume := input.review.object.spec.volumes[_]
	volume.flexVolume
	not allowed(volume)
	msg := sprintf("FlexVolume %v is not allowed, pod: %v", [volume, input.review.object.metadata.name])
}
allowed(v) { input.parameters.allowedFlexVolumes[_].driver == v.flexVolume.driver }
