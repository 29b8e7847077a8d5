package portcullis.library.services.no_load_balancer_test

import data.portcullis.library.services.no_load_balancer

service(annotations, spec) := {
	"request": {
		"operation": "CREATE",
		"kind": {"kind": "Service"},
		"name": "web",
		"object": {"metadata": {"annotations": annotations}, "spec": spec},
	},
	"parameters": {"annotations": [{"key": "cloud/scheme", "value": "internal"}], "classes": ["example.com/internal"]},
}

test_load_balancers_are_denied if {
	no_load_balancer.deny == {{
		"message": concat("", [
			"the Service web orders a load balancer; set spec.type to ClusterIP, and use an Ingress or a Gateway, ",
			`or set the annotation cloud/scheme to "internal" or spec.loadBalancerClass to example.com/internal`,
		]),
		"field": "spec.type",
	}} with input as service({}, {"type": "LoadBalancer"})
}

test_where_none_are_allowed_none_are_named if {
	no_load_balancer.deny == {{
		"message": "the Service web orders a load balancer; set spec.type to ClusterIP, and use an Ingress or a Gateway",
		"field": "spec.type",
	}} with input as service({}, {"type": "LoadBalancer"}) with input.parameters as {"annotations": [], "classes": []}
}

test_internal_ones_are_allowed if {
	no_load_balancer.deny == set() with input as service({"cloud/scheme": "internal"}, {"type": "LoadBalancer"})
	no_load_balancer.deny == set() with input as service({}, {"type": "LoadBalancer", "loadBalancerClass": "example.com/internal"})
}

test_what_only_looks_internal_is_denied if {
	count(no_load_balancer.deny) == 1 with input as service({"cloud/scheme": "internet"}, {"type": "LoadBalancer"})
	count(no_load_balancer.deny) == 1 with input as service({}, {"type": "LoadBalancer", "loadBalancerClass": "example.com/public"})
	count(no_load_balancer.deny) == 1 with input as service(null, {"type": "LoadBalancer"})
}

test_other_services_are_allowed if {
	every type in ["ClusterIP", "NodePort", null] {
		no_load_balancer.deny == set() with input as service({}, {"type": type})
	}
}
