package portcullis.library.services.external_name_test

import data.portcullis.library.services.external_name

service(spec) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Service"}, "name": "db", "object": {"spec": spec}},
	"parameters": {"allowedDomains": ["example.com", "db.example.org"]},
}

named(name) := service({"type": "ExternalName", "externalName": name})

test_names_of_others_are_denied if {
	external_name.deny == {{
		"message": "the Service db stands for evil.org, which is not of an allowed domain; use one of example.com, db.example.org",
		"field": "spec.externalName",
	}} with input as named("evil.org")
}

test_without_domains_all_are_denied if {
	external_name.deny == {{
		"message": "the Service db stands for no name, which is not of an allowed domain; use another type of Service",
		"field": "spec.externalName",
	}} with input as service({"type": "ExternalName"}) with input.parameters.allowedDomains as []
}

test_lookalikes_are_denied if {
	every name in ["evilexample.com", "example.com.evil.org", "example.org", "web.shop.svc.cluster.local", "", 7, null] {
		count(external_name.deny) == 1 with input as named(name)
	}
}

test_allowed_names_are_allowed if {
	every name in ["example.com", "A.Example.com", "a.b.example.com.", "db.example.org"] {
		external_name.deny == set() with input as named(name)
	}
}

test_other_services_are_allowed if {
	external_name.deny == set() with input as service({"type": "ClusterIP"})
	external_name.deny == set() with input as service({})
}
