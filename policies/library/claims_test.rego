package portcullis.claims_test

import data.portcullis.claims

claim(class) := {"metadata": {"name": "data"}, "spec": {"storageClassName": class}}

asked(kind, object, old) := {"request": {"operation": "UPDATE", "kind": {"kind": kind}, "object": object, "oldObject": old}}

test_a_claim_and_what_it_was if {
	claims.all == {{"claim": claim("a"), "path": "", "before": claim("b")}} with input as asked("PersistentVolumeClaim", claim("a"), claim("b"))
	claims.all == {{"claim": claim("a"), "path": "", "before": {}}} with input as asked("PersistentVolumeClaim", claim("a"), null)
}

test_templates_are_found_by_their_names if {
	other := {"metadata": {"name": "log"}, "spec": {}}
	new := {"spec": {"volumeClaimTemplates": [other, claim("a")]}}
	old := {"spec": {"volumeClaimTemplates": [claim("b")]}}
	claims.all == {
		{"claim": other, "path": "spec.volumeClaimTemplates[0].", "before": {}},
		{"claim": claim("a"), "path": "spec.volumeClaimTemplates[1].", "before": claim("b")},
	} with input as asked("StatefulSet", new, old)
}

volumes(class) := {"volumes": [{"name": "a", "emptyDir": {}}, {"name": "b", "ephemeral": {"volumeClaimTemplate": claim(class)}}]}

test_volumes_of_pods_and_of_their_templates if {
	claims.all == {{
		"claim": claim("a"),
		"path": "spec.volumes[1].ephemeral.volumeClaimTemplate.",
		"before": claim("b"),
	}} with input as asked("Pod", {"spec": volumes("a")}, {"spec": volumes("b")})
	claims.all == {{
		"claim": claim("a"),
		"path": "spec.template.spec.volumes[1].ephemeral.volumeClaimTemplate.",
		"before": {},
	}} with input as asked("Deployment", {"spec": {"template": {"spec": volumes("a")}}}, {"spec": {"template": {"spec": volumes("a")}}})
}

test_what_claims_nothing if {
	claims.all == set() with input as asked("Pod", {"spec": {"volumes": [null, {"name": "a"}]}}, null)
	claims.all == set() with input as asked("Service", null, null)
}
