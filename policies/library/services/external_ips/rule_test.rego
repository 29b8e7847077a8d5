package portcullis.library.services.external_ips_test

import data.portcullis.library.services.external_ips

service(addresses) := {
	"request": {
		"operation": "CREATE",
		"kind": {"kind": "Service"},
		"name": "web",
		"object": {"spec": {"externalIPs": addresses}},
		"oldObject": null,
	},
	"parameters": {"allowed": ["203.0.113.0/28", "2001:db8::/64"]},
}

test_external_addresses_are_denied if {
	external_ips.deny == {{
		"message": "the Service web takes the traffic of the address 198.51.100.7; remove it from spec.externalIPs",
		"field": "spec.externalIPs[1]",
	}} with input as service(["203.0.113.7", "198.51.100.7"])
}

test_addresses_beside_the_blocks_are_denied if {
	every address in ["203.0.113.16", "2001:db8:0:1::1", "198.51.100.7"] {
		count(external_ips.deny) == 1 with input as service([address])
	}
}

test_allowed_addresses_are_allowed if {
	external_ips.deny == set() with input as service(["203.0.113.15", "2001:db8::7"])
}

test_services_without_are_allowed if {
	every addresses in [[], null] {
		external_ips.deny == set() with input as service(addresses)
	}
}

test_what_is_there_may_stay if {
	update := object.union(service(["198.51.100.7", "198.51.100.8"]), {"request": {
		"operation": "UPDATE",
		"oldObject": {"spec": {"externalIPs": ["198.51.100.8"]}},
	}})
	{f.field | some f in external_ips.deny} == {"spec.externalIPs[0]"} with input as update
}
