package portcullis.library.pods.host_ports_test

import data.portcullis.library.pods.host_ports

pod(spec, version) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"spec": spec}},
	"parameters": {"version": version},
}

app(fields) := {"containers": [object.union({"name": "app"}, fields)]}

test_a_host_port_is_denied if {
	host_ports.deny == {{
		"message": `container "app" takes the port 8080 of its node; remove hostPort`,
		"field": "spec.containers[0].ports[1].hostPort",
	}} with input as pod(app({"ports": [{"containerPort": 80}, {"containerPort": 80, "hostPort": 8080}]}), "latest")
}

test_other_ports_are_allowed if {
	every ports in [null, [], [null], [{"containerPort": 80}], [{"hostPort": 0}], [{"hostPort": null}]] {
		host_ports.deny == set() with input as pod(app({"ports": ports}), "latest")
	}
}
