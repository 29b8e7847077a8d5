package portcullis.library.gateways.no_wildcard_host_test

import data.portcullis.library.gateways.no_wildcard_host

asked(kind, spec) := {
	"request": {"operation": "CREATE", "kind": {"kind": kind}, "object": {"spec": spec}},
	"parameters": {"allowed": ["*.shop.example.com"], "allowMesh": true},
}

listener(more) := object.union({"name": "web", "protocol": "HTTPS"}, more)

test_listeners_for_every_host_are_denied if {
	every more in [{}, {"hostname": ""}, {"hostname": null}] {
		no_wildcard_host.deny == {{
			"message": `the listener "web" is for every host; name a host`,
			"field": "spec.listeners[0].hostname",
		}} with input as asked("Gateway", {"listeners": [listener(more)]})
	}
}

test_listeners_for_wildcards_are_denied if {
	no_wildcard_host.deny == {{
		"message": `the listener "web" is for the wildcard *.example.com; name a host`,
		"field": "spec.listeners[0].hostname",
	}} with input as asked("ListenerSet", {"listeners": [listener({"hostname": "*.example.com"})]})
}

test_listeners_for_hosts_are_allowed if {
	every more in [{"hostname": "www.example.com"}, {"hostname": "*.shop.example.com"}, {"protocol": "TCP"}, {"protocol": "UDP"}] {
		no_wildcard_host.deny == set() with input as asked("Gateway", {"listeners": [listener(more)]})
	}
}

test_routes_for_every_host_are_denied if {
	every kind in ["HTTPRoute", "GRPCRoute", "TLSRoute"] {
		every spec in [{}, {"hostnames": []}, {"hostnames": null}, {"parentRefs": []}, {"parentRefs": [{"kind": "Service"}, {"name": "web"}]}] {
			no_wildcard_host.deny == {{
				"message": "the route is for every host of its listener; name some in spec.hostnames",
				"field": "spec.hostnames",
			}} with input as asked(kind, spec)
		}
	}
}

test_routes_for_wildcards_are_denied if {
	no_wildcard_host.deny == {{
		"message": "the route is for the wildcard *.example.com; name a host",
		"field": "spec.hostnames[1]",
	}} with input as asked("HTTPRoute", {"hostnames": ["*.shop.example.com", "*.example.com"]})
}

test_routes_for_hosts_are_allowed if {
	no_wildcard_host.deny == set() with input as asked("HTTPRoute", {"hostnames": ["www.example.com"]})
}

test_routes_of_a_mesh_are_allowed_unless_they_are_not if {
	mesh := asked("HTTPRoute", {"parentRefs": [{"group": "", "kind": "Service", "name": "web"}]})
	no_wildcard_host.deny == set() with input as mesh
	count(no_wildcard_host.deny) == 1 with input as mesh with input.parameters.allowMesh as false
}
