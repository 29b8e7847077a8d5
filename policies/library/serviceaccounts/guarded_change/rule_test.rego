package portcullis.library.serviceaccounts.guarded_change_test

import data.portcullis.library.serviceaccounts.guarded_change

deployment(spec) := {"spec": {"template": {"spec": spec}}}

update(before, after, user) := {
	"request": {
		"operation": "UPDATE", "kind": {"kind": "Deployment"}, "userInfo": user,
		"oldObject": deployment(before), "object": deployment(after),
	},
	"parameters": {"users": ["system:serviceaccount:ci:deployer"], "groups": ["platform"]},
}

anna := {"username": "anna", "groups": ["dev"]}

test_a_change_is_denied if {
	guarded_change.deny == {{
		"message": `anna may not change the service account from "web" to "admin"; leave it as it is, or ask somebody who may`,
		"field": "spec.template.spec.serviceAccountName",
	}} with input as update({"serviceAccountName": "web"}, {"serviceAccountName": "admin"}, anna)
}

test_the_default_account_is_one_too if {
	every change in [
		[{}, {"serviceAccountName": "admin"}],
		[{"serviceAccountName": null}, {"serviceAccount": "admin"}],
		[{"serviceAccountName": "web"}, {}],
		[{"serviceAccount": "web"}, {"serviceAccount": "admin"}],
	] {
		count(guarded_change.deny) == 1 with input as update(change[0], change[1], anna)
		count(guarded_change.deny) == 1 with input as update(change[0], change[1], {"username": "anna"})
	}
}

job(name) := {"spec": {"jobTemplate": {"spec": {"template": {"spec": {"serviceAccountName": name}}}}}}

test_the_template_of_a_cron_job_counts if {
	guarded_change.deny == {{
		"message": ` may not change the service account from "a" to "b"; leave it as it is, or ask somebody who may`,
		"field": "spec.jobTemplate.spec.template.spec.serviceAccountName",
	}} with input as {
		"request": {"operation": "UPDATE", "kind": {"kind": "CronJob"}, "oldObject": job("a"), "object": job("b")},
		"parameters": {"users": [], "groups": []},
	}
}

test_other_changes_are_allowed if {
	every change in [
		[{}, {"serviceAccountName": "default"}],
		[{"serviceAccountName": "web", "serviceAccount": "web"}, {"serviceAccount": "web"}],
		[{"serviceAccountName": "web", "hostNetwork": true}, {"serviceAccountName": "web"}],
	] {
		guarded_change.deny == set() with input as update(change[0], change[1], anna)
	}
}

test_who_is_trusted_may_change_it if {
	every user in [{"username": "system:serviceaccount:ci:deployer"}, {"username": "jane", "groups": ["dev", "platform"]}] {
		guarded_change.deny == set() with input as update({}, {"serviceAccountName": "admin"}, user)
	}
}
