package portcullis.library.metadata.guarded_keys_test

import data.portcullis.library.metadata.guarded_keys

asked(operation, before, after, user) := {
	"request": {
		"operation": operation, "kind": {"kind": "Namespace"}, "userInfo": user,
		"oldObject": before, "object": after,
	},
	"parameters": {
		"keys": ["pod-security.kubernetes.io/*", "owner"],
		"users": ["robot"],
		"groups": ["platform"],
	},
}

anna := {"username": "anna", "groups": ["dev"]}

labelled(labels) := {"metadata": {"labels": labels}}

test_to_create_with_one_is_denied if {
	guarded_keys.deny == {{
		"message": `anna may not set "owner" in metadata.labels; leave it as it is, or ask somebody who may`,
		"field": `metadata.labels["owner"]`,
	}} with input as asked("CREATE", null, labelled({"owner": "anna", "team": "shop"}), anna)
}

test_to_change_and_to_remove_one_is_denied if {
	every change in [
		[{"owner": "a"}, {"owner": "b"}],
		[{"owner": "a"}, {}],
		[{"owner": "a"}, null],
		[null, {"owner": "a"}],
		[{}, {"pod-security.kubernetes.io/enforce": "privileged"}],
	] {
		count(guarded_keys.deny) == 1 with input as asked("UPDATE", labelled(change[0]), labelled(change[1]), anna)
		count(guarded_keys.deny) == 1 with input as asked("UPDATE", labelled(change[0]), labelled(change[1]), {"username": "x"})
	}
}

test_annotations_count if {
	guarded_keys.deny == {{
		"message": `anna may not set "owner" in metadata.annotations; leave it as it is, or ask somebody who may`,
		"field": `metadata.annotations["owner"]`,
	}} with input as asked("UPDATE", {"metadata": {}}, {"metadata": {"annotations": {"owner": "anna"}}}, anna)
}

test_other_keys_and_what_stays_are_allowed if {
	guarded_keys.deny == set() with input as asked("UPDATE", labelled({"owner": "a", "b": "c"}), labelled({"owner": "a", "b": "d"}), anna)
	guarded_keys.deny == set() with input as asked("UPDATE", labelled({"owner": "a"}), labelled({"owner": "a"}), anna)
	guarded_keys.deny == set() with input as asked("CREATE", null, {}, anna)
}

test_who_is_trusted_may if {
	every user in [{"username": "robot"}, {"username": "jane", "groups": ["platform"]}] {
		guarded_keys.deny == set() with input as asked("CREATE", null, labelled({"owner": "anna"}), user)
	}
}

owned := {"metadata": {"labels": {"owner": "anna"}}}

create(kind, spec) := object.union(
	asked("CREATE", null, {"spec": spec}, anna),
	{"request": {"kind": {"kind": kind}}},
)

test_templates_count if {
	guarded_keys.deny == {{
		"message": `anna may not set "owner" in spec.template.metadata.labels; leave it as it is, or ask somebody who may`,
		"field": `spec.template.metadata.labels["owner"]`,
	}} with input as create("Deployment", {"template": owned})
	{f.field | some f in guarded_keys.deny} == {
		`spec.jobTemplate.metadata.labels["owner"]`,
		`spec.jobTemplate.spec.template.metadata.labels["owner"]`,
	} with input as create("CronJob", {"jobTemplate": object.union(owned, {"spec": {"template": owned}})})
	guarded_keys.deny == set() with input as create("Pod", {"template": owned})
}
