package portcullis.library.pods.host_namespaces_test

import data.portcullis.library.pods.host_namespaces

deployment(spec) := {"request": {
	"operation": "CREATE",
	"kind": {"kind": "Deployment"},
	"object": {"spec": {"template": {"spec": spec}}},
}}

test_each_namespace_is_denied if {
	every field in ["hostNetwork", "hostPID", "hostIPC"] {
		host_namespaces.deny == {{
			"message": sprintf("%s shares a namespace of the node; remove it", [field]),
			"field": sprintf("spec.template.spec.%s", [field]),
		}} with input as deployment({field: true})
	}
}

test_own_namespaces_are_allowed if {
	host_namespaces.deny == set() with input as deployment({"hostNetwork": false, "hostPID": null})
}
