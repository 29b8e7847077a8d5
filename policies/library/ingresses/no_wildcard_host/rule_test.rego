package portcullis.library.ingresses.no_wildcard_host_test

import data.portcullis.library.ingresses.no_wildcard_host

asked(spec) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Ingress"}, "object": {"spec": spec}},
	"parameters": {"allowed": ["*.shop.example.com"], "catchAllClasses": ["fallback"]},
}

test_wildcards_are_denied if {
	no_wildcard_host.deny == {{
		"message": "the host *.example.com is a wildcard; name the hosts one by one",
		"field": "spec.rules[1].host",
	}} with input as asked({"rules": [{"host": "www.example.com"}, {"host": "*.example.com"}]})
}

test_rules_for_every_host_are_denied if {
	every rule in [{"http": {}}, {"host": ""}, {"host": null}] {
		no_wildcard_host.deny == {{
			"message": "the rule is for every host; name one",
			"field": "spec.rules[0].host",
		}} with input as asked({"rules": [rule]})
	}
}

test_default_backends_are_denied if {
	no_wildcard_host.deny == {{
		"message": "the default backend is for every host; name the hosts in spec.rules",
		"field": "spec.defaultBackend",
	}} with input as asked({"rules": [{"host": "www.example.com"}], "defaultBackend": {"service": {"name": "web"}}})
}

test_hosts_and_allowed_wildcards_are_allowed if {
	no_wildcard_host.deny == set() with input as asked({"rules": [{"host": "www.example.com"}, {"host": "*.shop.example.com"}]})
	no_wildcard_host.deny == set() with input as asked({"defaultBackend": null})
}

test_some_classes_may_catch_all if {
	spec := {"ingressClassName": "fallback", "rules": [{}], "defaultBackend": {}}
	no_wildcard_host.deny == set() with input as asked(spec)
	count(no_wildcard_host.deny) == 2 with input as asked(object.union(spec, {"ingressClassName": "web"}))
}
