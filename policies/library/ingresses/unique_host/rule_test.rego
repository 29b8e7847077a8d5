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
	"parameters": {
		"sharedInNamespace": false,
		"sharedLabels": {"acme.cert-manager.io/http01-solver": "true"},
		"perClass": false,
		"sharedWildcards": ["*.apps.example.com"],
	},
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
	wanted := object.union(asked("shop", "new", ingress("b.example.com")), {"parameters": {"sharedInNamespace": true, "sharedWildcards": []}})
	count(unique_host.deny) == 0 with input as wanted with data.kubernetes as cluster
}

test_and_never_between_namespaces if {
	wanted := object.union(asked("blog", "new", ingress("b.example.com")), {"parameters": {"sharedInNamespace": true, "sharedWildcards": []}})
	count(unique_host.deny) == 1 with input as wanted with data.kubernetes as cluster
}

test_in_an_empty_cluster_everything_is_new if {
	count(unique_host.deny) == 0 with input as asked("blog", "new", ingress("b.example.com"))
		with data.kubernetes as {"ingresses.networking.k8s.io": {}}
}

test_a_host_that_it_had_may_stay if {
	update := object.union(asked("blog", "old", ingress("shop.example.com")), {"request": {"operation": "UPDATE"}})
	count(unique_host.deny) == 0 with input as update with input.request.oldObject as ingress("shop.example.com")
		with data.kubernetes as cluster
	count(unique_host.deny) == 1 with input as update with input.request.oldObject as ingress("old.example.com")
		with data.kubernetes as cluster
}

wildcards := {"ingresses.networking.k8s.io": {
	"shop": {"all": ingress("*.shop.example.com")},
	"apps": {"all": ingress("*.apps.example.com")},
}}

test_a_host_below_the_wildcard_of_another_namespace_is_denied if {
	unique_host.deny == {{
		"message": concat("", [
			"the host www.shop.example.com is one of *.shop.example.com, ",
			"which belongs to the Ingress all in the namespace shop; choose another one",
		]),
		"field": "spec.rules[0].host",
	}} with input as asked("blog", "new", ingress("www.shop.example.com")) with data.kubernetes as wildcards
}

test_the_wildcard_itself_is_denied_once if {
	unique_host.deny == {{
		"message": "the host *.shop.example.com belongs to the Ingress all in the namespace shop; choose another one",
		"field": "spec.rules[0].host",
	}} with input as asked("blog", "new", ingress("*.shop.example.com")) with data.kubernetes as wildcards
}

test_hosts_beside_it_are_allowed if {
	every host in ["shop.example.com", "a.b.shop.example.com", "www.myshop.example.com", "*.example.com", "*.a.shop.example.com", "localhost"] {
		count(unique_host.deny) == 0 with input as asked("blog", "new", ingress(host)) with data.kubernetes as wildcards
	}
}

test_within_a_namespace_a_wildcard_is_shared if {
	count(unique_host.deny) == 0 with input as asked("shop", "new", ingress("www.shop.example.com")) with data.kubernetes as wildcards
}

test_a_wildcard_above_the_hosts_of_others_is_denied if {
	unique_host.deny == {
		{
			"message": concat("", [
				"the host *.example.com would take a.example.com from the Ingress two in the namespace shop; ",
				"name the hosts one by one",
			]),
			"field": "spec.rules[0].host",
		},
		{
			"message": concat("", [
				"the host *.example.com would take b.example.com from the Ingress two in the namespace shop; ",
				"name the hosts one by one",
			]),
			"field": "spec.rules[0].host",
		},
		{
			"message": concat("", [
				"the host *.example.com would take shop.example.com from the Ingress web in the namespace shop; ",
				"name the hosts one by one",
			]),
			"field": "spec.rules[0].host",
		},
	} with input as asked("blog", "new", ingress("*.example.com")) with data.kubernetes as cluster
}

test_shared_wildcards_are_nobodys if {
	count(unique_host.deny) == 0 with input as asked("blog", "new", ingress("blog.apps.example.com")) with data.kubernetes as wildcards
	count(unique_host.deny) == 0 with input as asked("blog", "new", ingress("*.apps.example.com"))
		with data.kubernetes as {"ingresses.networking.k8s.io": {"shop": {"web": ingress("shop.apps.example.com")}}}
}

solver := {"metadata": {"labels": {"acme.cert-manager.io/http01-solver": "true"}}}

test_solvers_have_the_hosts_of_their_namespace if {
	answering := object.union(ingress("b.example.com"), solver)
	count(unique_host.deny) == 0 with input as asked("shop", "cm-acme-http-solver", answering) with data.kubernetes as cluster
	count(unique_host.deny) == 1 with input as asked("blog", "cm-acme-http-solver", answering) with data.kubernetes as cluster
	count(unique_host.deny) == 0 with input as asked("shop", "again", ingress("shop.example.com"))
		with data.kubernetes as {"ingresses.networking.k8s.io": {"shop": {"solver": object.union(ingress("shop.example.com"), solver)}}}
}

of_class(host, class) := {"spec": {"ingressClassName": class, "rules": [{"host": host}]}}

test_classes_are_apart_if_that_is_wanted if {
	inside := {"ingresses.networking.k8s.io": {"shop": {
		"web": of_class("shop.example.com", "inside"),
		"all": of_class("*.web.example.com", "inside"),
		"one": of_class("a.app.example.com", "inside"),
	}}}
	every host in ["shop.example.com", "a.web.example.com", "*.app.example.com"] {
		every class, found in {"outside": 0, "inside": 1} {
			wanted := object.union(asked("blog", "web", of_class(host, class)), {"parameters": {"perClass": true}})
			count(unique_host.deny) == found with input as wanted with data.kubernetes as inside
		}
		count(unique_host.deny) == 1 with input as asked("blog", "web", of_class(host, "outside")) with data.kubernetes as inside
		unsaid := object.union(asked("blog", "web", of_class(host, null)), {"parameters": {"perClass": true}})
		count(unique_host.deny) == 1 with input as unsaid with data.kubernetes as inside
	}
}
