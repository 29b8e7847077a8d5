package template

probe_types_set := {type | type := input.parameters.probeTypes[_]}

violation[{"msg": msg}] {
	c := input.review.object.spec.containers[_]
	probe := input.parameters.probes[_]
	missing(c, probe)
	msg := sprintf("Container <%v> in your <%v> <%v> has no <%v>", [c.name, input.review.kind.kind, input.review.object.metadata.name, probe])
}
missing(c, probe) { not c[probe] }
missing(c, probe) { not typed(c, probe) }
typed(c, probe) { c[probe][probe_types_set[_]] }
