package portcullis.library.namespaces.no_default_test

import data.portcullis.library.namespaces.no_default

create(kind, namespace, metadata) := {
	"request": {
		"operation": "CREATE", "kind": {"kind": kind}, "namespace": namespace,
		"object": {"metadata": metadata},
	},
	"parameters": {"namespaces": ["default"]},
}

test_objects_in_default_are_denied if {
	no_default.deny == {{
		"message": "Service is in the namespace default; create it in a namespace of its own",
		"field": "metadata.namespace",
	}} with input as create("Service", "default", {"name": "web"})
}

test_whatever_their_name_is if {
	count(no_default.deny) == 1 with input as create("Pod", "default", {"generateName": "web-"})
	count(no_default.deny) == 1 with input as create("Pod", "default", {"name": "kubernetes"})
}

test_what_kubernetes_keeps_there_is_allowed if {
	no_default.deny == set() with input as create("Service", "default", {"name": "kubernetes"})
	no_default.deny == set() with input as create("ConfigMap", "default", {"name": "kube-root-ca.crt"})
	no_default.deny == set() with input as create("ServiceAccount", "default", {"name": "default"})
}

test_other_namespaces_are_allowed if {
	no_default.deny == set() with input as create("Pod", "shop", {"name": "default"})
}
