package portcullis.library.pods.host_probes_test

import data.portcullis.library.pods.host_probes

pod(spec, version) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"spec": spec}},
	"parameters": {"version": version},
}

app(fields) := {"containers": [object.union({"name": "app"}, fields)]}

test_a_probe_of_another_host_is_denied if {
	every probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
		host_probes.deny == {{
			"message": sprintf(`the %s of container "app" asks the host 10.0.0.1; remove httpGet.host`, [probe]),
			"field": sprintf("spec.containers[0].%s.httpGet.host", [probe]),
		}} with input as pod(app({probe: {"httpGet": {"host": "10.0.0.1"}}}), "latest")
	}
}

test_a_handler_of_another_host_is_denied if {
	every hook in ["postStart", "preStop"] {
		host_probes.deny == {{
			"message": sprintf(`the %s handler of container "app" asks the host 10.0.0.1; remove tcpSocket.host`, [hook]),
			"field": sprintf("spec.containers[0].lifecycle.%s.tcpSocket.host", [hook]),
		}} with input as pod(app({"lifecycle": {hook: {"tcpSocket": {"host": "10.0.0.1"}}}}), "latest")
	}
}

test_probes_of_the_pod_are_allowed if {
	every probe in [null, {}, {"httpGet": null}, {"httpGet": {"port": 80}}, {"tcpSocket": {"host": ""}}, {"httpGet": {"host": null}}, {"exec": {"host": "x"}}] {
		host_probes.deny == set() with input as pod(app({"livenessProbe": probe, "lifecycle": {"preStop": probe}}), "latest")
	}
}

test_before_it_was_in_the_standard if {
	containers := app({"livenessProbe": {"httpGet": {"host": "10.0.0.1"}}})
	host_probes.deny == set() with input as pod(containers, "v1.33")
	count(host_probes.deny) == 1 with input as pod(containers, "v1.34")
}
