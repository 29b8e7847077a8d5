package portcullis.library.ingresses.unique_host_test

import data.portcullis.library.ingresses.unique_host

ingress(host) := {"spec": {"rules": [{"host": host}]}}

cluster := {"ingresses.networking.k8s.io": {
	"shop": {
		"web": ingress("shop.example.com"),
		"two": {"spec": {"rules": [{"host": "a.example.com"}, {"host": "b.example.com"}, {"http": {}}]}},
	},
	"blog": {"web": ingress("blog.example.com")},
}}

asked(namespace, name, object) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Ingress"}, "namespace": namespace, "name": name, "object": object},
	"parameters": {"sharedInNamespace": false},
}

test_the_host_of_another_namespace_is_denied if {
	unique_host.deny == {{
		"message": "the host shop.example.com belongs to the Ingress web in the namespace shop; choose another one",
		"field": "spec.rules[0].host",
	}} with input as asked("blog", "new", ingress("shop.example.com")) with data.kubernetes as cluster
}

test_the_host_of_another_ingress_beside_it_is_denied if {
	count(unique_host.deny) == 1 with input as asked("shop", "new", ingress("b.example.com")) with data.kubernetes as cluster
}

test_every_host_counts if {
	object := {"spec": {"rules": [{"host": "new.example.com"}, {"host": "a.example.com"}, {"host": "blog.example.com"}]}}
	{f.field | some f in unique_host.deny} == {"spec.rules[1].host", "spec.rules[2].host"} with input as asked("shop", "new", object)
		with data.kubernetes as cluster
}

test_an_ingress_keeps_its_own_host if {
	count(unique_host.deny) == 0 with input as asked("shop", "web", ingress("shop.example.com")) with data.kubernetes as cluster
}

test_one_of_the_same_name_elsewhere_is_another if {
	count(unique_host.deny) == 1 with input as asked("blog", "web", ingress("shop.example.com")) with data.kubernetes as cluster
}

test_a_new_host_is_allowed if {
	count(unique_host.deny) == 0 with input as asked("blog", "new", ingress("new.example.com")) with data.kubernetes as cluster
}

test_rules_without_a_host_are_allowed if {
	count(unique_host.deny) == 0 with input as asked("blog", "new", {"spec": {"rules": [{"http": {}}]}}) with data.kubernetes as cluster
}

test_hosts_are_shared_in_a_namespace_if_that_is_wanted if {
	wanted := object.union(asked("shop", "new", ingress("b.example.com")), {"parameters": {"sharedInNamespace": true}})
	count(unique_host.deny) == 0 with input as wanted with data.kubernetes as cluster
}

test_and_never_between_namespaces if {
	wanted := object.union(asked("blog", "new", ingress("b.example.com")), {"parameters": {"sharedInNamespace": true}})
	count(unique_host.deny) == 1 with input as wanted with data.kubernetes as cluster
}

test_in_an_empty_cluster_everything_is_new if {
	count(unique_host.deny) == 0 with input as asked("blog", "new", ingress("b.example.com"))
		with data.kubernetes as {"ingresses.networking.k8s.io": {}}
}
