# METADATA
# scope: package
# title: Claims of storage
# description: >-
#   The claims of persistent volumes that come of an object. Import it as data.portcullis.claims.
package portcullis.claims

import data.portcullis.kubernetes

# METADATA
# title: All claims
# description: >-
#   The object itself if it is a PersistentVolumeClaim, the claim templates of a StatefulSet and those of ephemeral volumes. Each entry has
#   the claim, its path, which ends with a dot or is empty, and before: the claim as it was, an empty object where it is new. A template of
#   Pods is new whenever it is judged, as its ephemeral volumes are claimed anew for each of them.
all contains {"claim": kubernetes.object, "path": "", "before": _old_claim} if {
	input.request.kind.kind == "PersistentVolumeClaim"
}

all contains {"claim": template, "path": path, "before": _old_template(template)} if {
	some i, template in kubernetes.object.spec.volumeClaimTemplates
	path := sprintf("spec.volumeClaimTemplates[%d].", [i])
}

all contains {"claim": volume.ephemeral.volumeClaimTemplate, "path": path, "before": _old_volume(volume)} if {
	some i, volume in kubernetes.pod_spec.volumes
	volume.ephemeral
	path := sprintf("%s.volumes[%d].ephemeral.volumeClaimTemplate.", [kubernetes.pod_spec_path, i])
}

default _old_claim := {}

_old_claim := kubernetes.old_object

# A StatefulSet keeps its templates as they are for as long as it lives.
_old_template(template) := old if {
	some old in kubernetes.old_object.spec.volumeClaimTemplates
	old.metadata.name == template.metadata.name
} else := {}

_old_volume(volume) := old.ephemeral.volumeClaimTemplate if {
	input.request.kind.kind == "Pod"
	some old in kubernetes.old_object.spec.volumes
	old.name == volume.name
} else := {}
