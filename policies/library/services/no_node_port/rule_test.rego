package portcullis.library.services.no_node_port_test

import data.portcullis.library.services.no_node_port

service(spec) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Service"}, "name": "web", "object": {"spec": spec}},
	"parameters": {"loadBalancers": true, "allowedPorts": [30080]},
}

test_node_ports_are_denied if {
	no_node_port.deny == {{
		"message": "the Service web opens a port on every node; set spec.type to ClusterIP, and use an Ingress or a Gateway",
		"field": "spec.type",
	}} with input as service({"type": "NodePort", "ports": [{"port": 80}]})
}

test_load_balancers_with_node_ports_are_denied if {
	every spec in [{"type": "LoadBalancer"}, {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": true}] {
		no_node_port.deny == {{
			"message": "the Service web opens a port on every node; set spec.allocateLoadBalancerNodePorts to false",
			"field": "spec.allocateLoadBalancerNodePorts",
		}} with input as service(spec)
		no_node_port.deny == set() with input as service(spec) with input.parameters.loadBalancers as false
	}
}

test_other_services_are_allowed if {
	every spec in [{}, {"type": "ClusterIP"}, {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": false}, {"type": "ExternalName"}] {
		no_node_port.deny == set() with input as service(spec)
	}
}

test_allowed_ports_are_allowed_if_all_of_them_are if {
	every type in ["NodePort", "LoadBalancer"] {
		no_node_port.deny == set() with input as service({"type": type, "ports": [{"nodePort": 30080}]})
		every ports in [[], [{"nodePort": 30080}, {"nodePort": 30081}], [{"nodePort": 30080}, {"port": 80}]] {
			count(no_node_port.deny) == 1 with input as service({"type": type, "ports": ports})
		}
	}
}
