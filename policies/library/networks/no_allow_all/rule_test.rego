package portcullis.library.networks.no_allow_all_test

import data.portcullis.library.networks.no_allow_all

policy(spec, parameters) := {
	"request": {"operation": "CREATE", "kind": {"kind": "NetworkPolicy"}, "object": {"spec": spec}},
	"parameters": object.union(
		{"directions": ["ingress", "egress"], "shortestPrefix": 8, "allowCluster": false, "openPorts": [53]},
		parameters,
	),
}

dns := [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]

test_a_rule_for_everybody_is_denied if {
	every rule in [{}, {"from": []}, {"from": null}, {"ports": [{"port": 80}]}, {"ports": []}, null] {
		no_allow_all.deny == {{
			"message": "the ingress rule is for everybody; name Pods, namespaces or addresses in from",
			"field": "spec.ingress[0]",
		}} with input as policy({"ingress": [rule]}, {})
	}
	no_allow_all.deny == {{
		"message": "the egress rule is for everybody; name Pods, namespaces or addresses in to",
		"field": "spec.egress[1]",
	}} with input as policy({"egress": [{"to": [{"podSelector": {}}]}, {"from": [{"podSelector": {}}]}]}, {})
}

test_too_many_addresses_are_denied if {
	every cidr in ["0.0.0.0/0", "128.0.0.0/1", "::/0", "2000::/3", "everywhere"] {
		no_allow_all.deny == {{
			"message": sprintf("the addresses %s are too many; name blocks with a prefix of 8 at least", [cidr]),
			"field": "spec.egress[0].to[1].ipBlock.cidr",
		}} with input as policy({"egress": [{"to": [{"podSelector": {}}, {"ipBlock": {"cidr": cidr}}]}]}, {})
	}
}

test_the_whole_cluster_is_denied if {
	every peer in [
		{"namespaceSelector": {}},
		{"namespaceSelector": {"matchLabels": {}, "matchExpressions": []}},
		{"namespaceSelector": {}, "podSelector": {}},
		{"namespaceSelector": {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "Exists"}]}},
		{"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}},
		{"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["x"]}]}},
		{"namespaceSelector": {}, "podSelector": {"matchExpressions": [{"key": "x", "operator": "DoesNotExist"}]}},
	] {
		no_allow_all.deny == {{
			"message": "the ingress rule is for all Pods of the cluster; name namespaces in namespaceSelector, or Pods beside it",
			"field": "spec.ingress[0].from[0].namespaceSelector",
		}} with input as policy({"ingress": [{"from": [peer]}]}, {})
		no_allow_all.deny == set() with input as policy({"ingress": [{"from": [peer]}]}, {"allowCluster": true})
	}
}

test_open_ports_are_allowed if {
	spec := {"egress": [
		{"ports": dns},
		{"ports": dns, "to": [{"namespaceSelector": {}}, {"ipBlock": {"cidr": "0.0.0.0/0"}}]},
	]}
	no_allow_all.deny == set() with input as policy(spec, {})
	every port in [{"port": 80}, {"port": "dns"}, {"port": 53, "endPort": 60}, {"protocol": "UDP"}] {
		count(no_allow_all.deny) == 1 with input as policy({"egress": [{"ports": array.concat(dns, [port])}]}, {})
	}
}

test_directions_are_judged_as_wanted if {
	wide := [{}, {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}, {"to": [{"namespaceSelector": {}}]}]
	no_allow_all.deny == set() with input as policy({"egress": wide}, {"directions": ["ingress"]})
	count(no_allow_all.deny) == 3 with input as policy({"egress": wide}, {"directions": ["egress"]})
}

test_narrow_rules_are_allowed if {
	spec := {
		"podSelector": {},
		"ingress": [{"from": [{"podSelector": {}}, {"namespaceSelector": {"matchLabels": {"team": "shop"}}}]}],
		"egress": [{"to": [
			{"ipBlock": {"cidr": "10.0.0.0/8"}},
			{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "dns"}}},
			{"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "Exists"}]}},
			{"namespaceSelector": {"matchExpressions": [
				{"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["a"]},
				{"key": "kubernetes.io/metadata.name", "operator": "Exists"},
			]}},
		]}],
	}
	no_allow_all.deny == set() with input as policy(spec, {})
	no_allow_all.deny == set() with input as policy({"podSelector": {}, "ingress": []}, {})
}
