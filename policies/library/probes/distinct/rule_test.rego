package portcullis.library.probes.distinct_test

import data.portcullis.library.probes.distinct

pod(liveness, readiness) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"spec": {"containers": [{
		"name": "app",
		"image": "registry.example.com/app:1",
		"livenessProbe": liveness,
		"readinessProbe": readiness,
	}]}}},
	"parameters": {"exemptImages": ["registry.example.com/proxy:*"]},
}

http := {"httpGet": {"path": "/", "port": 80}}

test_equal_probes_are_denied if {
	distinct.deny == {{
		"message": concat("", [
			`container "app" is killed by its liveness probe as soon as its readiness probe fails, since both ask the same; `,
			"raise livenessProbe.failureThreshold, or ask something else",
		]),
		"field": "spec.containers[0].livenessProbe",
	}} with input as pod(http, http)
}

test_all_that_may_be_asked_is_compared if {
	every probe in [
		{"httpGet": {"port": 80}},
		{"httpGet": {"port": 80, "scheme": "HTTP"}},
		{"httpGet": {"path": "/", "port": 80}, "periodSeconds": 10, "failureThreshold": 3, "initialDelaySeconds": 30},
		{"httpGet": {"path": "/", "port": 80}, "periodSeconds": 5, "failureThreshold": null},
	] {
		count(distinct.deny) == 1 with input as pod(probe, http)
	}
	every probe in [{"httpGet": null, "tcpSocket": {"port": 80}}, {"exec": {"command": ["true"]}}, {"grpc": {"port": 1}}] {
		count(distinct.deny) == 1 with input as pod(probe, probe)
	}
}

test_a_service_of_no_name_is_none if {
	count(distinct.deny) == 1 with input as pod({"grpc": {"port": 1}}, {"grpc": {"port": 1, "service": ""}})
}

test_a_patient_liveness_probe_is_allowed if {
	every more in [{"failureThreshold": 6}, {"periodSeconds": 11}, {"failureThreshold": 1, "periodSeconds": 60}] {
		distinct.deny == set() with input as pod(object.union(http, more), http)
	}
}

test_other_questions_are_allowed if {
	every probe in [
		{"httpGet": {"path": "/healthz", "port": 80}},
		{"httpGet": {"path": "/", "port": 81}},
		{"httpGet": {"port": 80, "scheme": "HTTPS"}},
		{"tcpSocket": {"port": 80}},
		{},
		null,
	] {
		distinct.deny == set() with input as pod(probe, http)
	}
	distinct.deny == set() with input as pod({}, {})
}

test_exempt_images_are_allowed if {
	distinct.deny == set() with input as pod(http, http) with input.parameters.exemptImages as ["registry.example.com/*"]
}
