package portcullis.library.services.unique_selector_test

import data.portcullis.library.services.unique_selector

asked(namespace, name, spec) := {"request": {
	"operation": "CREATE",
	"kind": {"kind": "Service"},
	"namespace": namespace,
	"name": name,
	"object": {"spec": spec},
	"oldObject": null,
}}

cluster := {"services": {"shop": {
	"web": {"spec": {"type": "ClusterIP", "clusterIP": "10.0.0.7", "selector": {"app": "web", "tier": "front"}}},
	"db": {"spec": {"clusterIP": "None", "selector": {"app": "db"}}},
}}}

web := {"selector": {"tier": "front", "app": "web"}}

test_the_selector_of_another_is_denied if {
	unique_selector.deny == {{
		"message": "the Service web has the same selector; use that one, or select by another label",
		"field": "spec.selector",
	}} with input as asked("shop", "new", web) with data.kubernetes as cluster
	count(unique_selector.deny) == 1 with input as asked("shop", "new", {"clusterIP": "None", "selector": {"app": "db"}})
		with data.kubernetes as cluster
}

test_its_own_selector_is_allowed if {
	unique_selector.deny == set() with input as asked("shop", "web", web) with data.kubernetes as cluster
}

test_other_selectors_are_allowed if {
	every spec in [{}, {"selector": {}}, {"selector": null}, {"selector": {"app": "web"}}, {"selector": {"app": "api"}}] {
		unique_selector.deny == set() with input as asked("shop", "new", spec) with data.kubernetes as cluster
	}
}

test_another_namespace_is_another if {
	unique_selector.deny == set() with input as asked("blog", "new", web) with data.kubernetes as cluster
}

test_services_of_another_sort_are_allowed if {
	every more in [{"type": "LoadBalancer"}, {"clusterIP": "None"}] {
		unique_selector.deny == set() with input as asked("shop", "new", object.union(web, more)) with data.kubernetes as cluster
	}
}

test_what_was_so_already_may_be_updated if {
	update := object.union(asked("shop", "new", web), {"request": {"operation": "UPDATE"}})
	unique_selector.deny == set() with input as update with input.request.oldObject as {"spec": web} with data.kubernetes as cluster
	every old in [{"selector": {"app": "new"}}, object.union(web, {"type": "LoadBalancer"})] {
		count(unique_selector.deny) == 1 with input as update with input.request.oldObject as {"spec": old} with data.kubernetes as cluster
	}
}

test_in_an_empty_cluster_everything_is_new if {
	unique_selector.deny == set() with input as asked("shop", "new", web) with data.kubernetes as {"services": {}}
}
