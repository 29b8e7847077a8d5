package portcullis.library.secrets.no_environment_test

import data.portcullis.library.secrets.no_environment

pod(spec, allow_single) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"spec": spec}},
	"parameters": {"allowSingle": allow_single, "exemptSecrets": ["public-*"]},
}

single(name) := {"env": [
	{"name": "A", "value": "b"},
	{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": name, "key": "password"}}},
]}

whole(name) := {"envFrom": [{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": name}}]}

test_a_value_of_a_secret_is_denied if {
	no_environment.deny == {{
		"message": concat("", [
			`container "app" has a value of the Secret "database" in its environment variable PASSWORD; `,
			"mount the Secret as a file",
		]),
		"field": "spec.containers[0].env[1].valueFrom.secretKeyRef",
	}} with input as pod({"containers": [object.union({"name": "app"}, single("database"))]}, false)
}

test_a_whole_secret_is_denied if {
	no_environment.deny == {{
		"message": `init container "setup" has the Secret "database" in its environment; mount it as files`,
		"field": "spec.initContainers[0].envFrom[1].secretRef",
	}} with input as pod({"initContainers": [object.union({"name": "setup"}, whole("database"))]}, true)
}

test_single_values_are_allowed_if_that_is_wanted if {
	no_environment.deny == set() with input as pod({"containers": [single("database")]}, true)
}

test_names_that_are_missing_are_denied if {
	count(no_environment.deny) == 2 with input as pod(
		{"ephemeralContainers": [{"env": [{"valueFrom": {"secretKeyRef": {}}}], "envFrom": [{"secretRef": {}}]}]},
		false,
	)
}

test_exempt_secrets_are_allowed if {
	no_environment.deny == set() with input as pod({"containers": [single("public-key"), whole("public-key")]}, false)
}

test_other_sources_are_allowed if {
	other := {
		"env": [
			{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}},
			{"name": "B", "valueFrom": {"secretKeyRef": null}},
			{"name": "C", "valueFrom": null},
		],
		"envFrom": [{"configMapRef": {"name": "a"}, "secretRef": null}],
	}
	no_environment.deny == set() with input as pod({"containers": [{}, other]}, false)
}
