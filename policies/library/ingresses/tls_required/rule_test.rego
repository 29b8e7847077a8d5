package portcullis.library.ingresses.tls_required_test

import data.portcullis.library.ingresses.tls_required

asked(spec) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Ingress"}, "object": {"spec": spec}},
	"parameters": {"exemptHosts": ["*.internal"], "exemptClasses": ["mesh"]},
}

test_hosts_without_tls_are_denied if {
	tls_required.deny == {{
		"message": "the host shop.example.com is served without TLS; add it to the hosts of an entry in spec.tls",
		"field": "spec.tls",
	}} with input as asked({
		"rules": [{"host": "www.example.com"}, {"host": "shop.example.com"}],
		"tls": [{"hosts": ["www.example.com"], "secretName": "www"}],
	})
}

test_every_host_without_tls_is_denied if {
	message := "the Ingress serves every host without TLS; name the hosts in spec.rules, or add an entry without hosts to spec.tls"
	every spec in [
		{"rules": [{"http": {}}]},
		{"rules": [{"host": ""}]},
		{"rules": [{"host": null}]},
		{"defaultBackend": {"service": {}}},
		{"defaultBackend": {"service": {}}, "rules": [{"host": "a.example.com"}], "tls": [{"hosts": ["a.example.com"]}]},
	] {
		tls_required.deny == {{"message": message, "field": "spec.tls"}} with input as asked(spec)
	}
}

test_a_wildcard_is_for_one_name if {
	every host in ["a.b.example.com", "example.com", "localhost", "example"] {
		count(tls_required.deny) == 1 with input as asked({"rules": [{"host": host}], "tls": [{"hosts": ["*.example.com"]}]})
	}
}

test_hosts_with_tls_are_allowed if {
	every spec in [
		{"rules": [{"host": "a.example.com"}], "tls": [{"hosts": ["b.example.com"]}, {"hosts": ["a.example.com"]}]},
		{"rules": [{"host": "a.example.com"}, {"host": "*.example.com"}], "tls": [{"hosts": ["*.example.com"]}]},
		{"rules": [{"host": "a.example.com"}, {}], "defaultBackend": {}, "tls": [{"secretName": "all"}]},
		{"rules": [], "tls": null},
		{},
	] {
		tls_required.deny == set() with input as asked(spec)
	}
}

test_exempt_hosts_and_classes_are_allowed if {
	tls_required.deny == set() with input as asked({"rules": [{"host": "a.b.internal"}]})
	tls_required.deny == set() with input as asked({"rules": [{"host": "a.example.com"}, {}], "ingressClassName": "mesh"})
	count(tls_required.deny) == 2 with input as asked({"rules": [{"host": "a.example.com"}, {}], "ingressClassName": "web"})
}
