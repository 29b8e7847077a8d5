package portcullis.library.gateways.tls_required_test

import data.portcullis.library.gateways.tls_required

gateway(listeners) := {
	"request": {
		"operation": "CREATE",
		"kind": {"kind": "Gateway"},
		"object": {"spec": {"gatewayClassName": "public", "listeners": listeners}},
	},
	"parameters": {"protocols": ["HTTPS", "TLS"], "exemptListeners": ["redirect-*"], "exemptClasses": ["mesh"]},
}

test_listeners_without_tls_are_denied if {
	tls_required.deny == {{
		"message": `the listener "web" has the protocol HTTP; use HTTPS or TLS`,
		"field": "spec.listeners[1].protocol",
	}} with input as gateway([{"name": "secure", "protocol": "HTTPS"}, {"name": "web", "protocol": "HTTP"}])
}

test_whatever_else_is_denied if {
	every listener in [{}, {"name": "dns", "protocol": "UDP"}, {"name": "redirect", "protocol": "HTTP"}, {"name": "x", "protocol": null}] {
		count(tls_required.deny) == 1 with input as gateway([listener])
	}
}

test_listeners_with_tls_are_allowed if {
	tls_required.deny == set() with input as gateway([{"name": "a", "protocol": "HTTPS"}, {"name": "b", "protocol": "TLS"}])
	tls_required.deny == set() with input as gateway(null)
}

test_exempt_listeners_and_classes_are_allowed if {
	tls_required.deny == set() with input as gateway([{"name": "redirect-web", "protocol": "HTTP"}])
	tls_required.deny == set() with input as gateway([{"name": "web", "protocol": "HTTP"}])
		with input.request.object.spec.gatewayClassName as "mesh"
}
