package portcullis.library.gateways.unique_host_test

import data.portcullis.library.gateways.unique_host

asked(namespace, name, hosts) := {
	"request": {
		"operation": "CREATE",
		"kind": {"kind": "HTTPRoute"},
		"namespace": namespace,
		"name": name,
		"object": {"spec": {"hostnames": hosts}},
		"oldObject": null,
	},
	"parameters": {"sharedInNamespace": true, "sharedWildcards": ["*.apps.example.com"]},
}

cluster := {"httproutes.gateway.networking.k8s.io": {
	"shop": {"web": {"spec": {"hostnames": ["shop.example.com", "*.shop.example.com"]}}, "none": {"spec": {}}},
	"apps": {"all": {"spec": {"hostnames": ["*.apps.example.com"]}}},
}}

test_the_host_of_another_namespace_is_denied if {
	unique_host.deny == {{
		"message": "the host shop.example.com belongs to the HTTPRoute web in the namespace shop, which has shop.example.com; choose another one",
		"field": "spec.hostnames[1]",
	}} with input as asked("blog", "new", ["blog.example.com", "shop.example.com"]) with data.kubernetes as cluster
}

test_hosts_below_and_above_are_denied if {
	unique_host.deny == {{
		"message": concat("", [
			"the host a.b.shop.example.com belongs to the HTTPRoute web in the namespace shop, ",
			"which has *.shop.example.com; choose another one",
		]),
		"field": "spec.hostnames[0]",
	}} with input as asked("blog", "new", ["a.b.shop.example.com"]) with data.kubernetes as cluster
	count(unique_host.deny) == 3 with input as asked("blog", "new", ["*.example.com"]) with data.kubernetes as cluster
}

test_shared_wildcards_are_nobodys if {
	unique_host.deny == set() with input as asked("blog", "new", ["blog.apps.example.com"]) with data.kubernetes as cluster
}

test_other_hosts_are_allowed if {
	every hosts in [["blog.example.com", "myshop.example.com"], [], null] {
		unique_host.deny == set() with input as asked("blog", "new", hosts) with data.kubernetes as cluster
	}
}

test_in_a_namespace_hosts_are_shared_unless_they_are_not if {
	again := asked("shop", "new", ["shop.example.com"])
	unique_host.deny == set() with input as again with data.kubernetes as cluster
	count(unique_host.deny) == 1 with input as again with input.parameters.sharedInNamespace as false with data.kubernetes as cluster
	unique_host.deny == set() with input as asked("shop", "web", ["shop.example.com"]) with input.parameters.sharedInNamespace as false
		with data.kubernetes as cluster
}

test_one_of_the_same_name_elsewhere_is_another if {
	count(unique_host.deny) == 1 with input as asked("blog", "web", ["shop.example.com"]) with data.kubernetes as cluster
}

test_a_host_that_it_had_may_stay if {
	update := object.union(asked("blog", "old", ["shop.example.com"]), {"request": {"operation": "UPDATE"}})
	unique_host.deny == set() with input as update with input.request.oldObject as {"spec": {"hostnames": ["shop.example.com"]}}
		with data.kubernetes as cluster
	count(unique_host.deny) == 1 with input as update with input.request.oldObject as {"spec": {}} with data.kubernetes as cluster
}
