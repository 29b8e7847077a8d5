package portcullis.library.extensions.api_services_test

import data.portcullis.library.extensions.api_services

asked(name, spec) := {
	"request": {
		"operation": "CREATE", "kind": {"kind": "APIService"},
		"object": {"metadata": {"name": name}, "spec": spec},
	},
	"parameters": {"reservedGroups": ["", "apps"], "exemptServices": ["v1beta1.metrics.k8s.io"]},
}

service := {"namespace": "tool", "name": "tool"}

test_unchecked_certificates_are_denied if {
	spec := {"group": "example.com", "insecureSkipTLSVerify": true, "service": service}
	api_services.deny == {{
		"message": "whoever answers in place of the extension API server is believed; set caBundle instead of insecureSkipTLSVerify",
		"field": "spec.insecureSkipTLSVerify",
	}} with input as asked("v1.example.com", spec)
	count(api_services.deny) == 1 with input as object.remove(asked("", spec), ["request/object/metadata"])
}

test_exempt_services_are_allowed if {
	spec := {"group": "metrics.k8s.io", "insecureSkipTLSVerify": true, "service": service}
	api_services.deny == set() with input as asked("v1beta1.metrics.k8s.io", spec)
}

test_groups_of_kubernetes_are_not_taken_over if {
	api_services.deny == {{
		"message": `a service would take over the API group "apps" of Kubernetes; serve a group of your own`,
		"field": "spec.service",
	}} with input as asked("v1.apps", {"group": "apps", "caBundle": "LS0t", "service": service})
	count(api_services.deny) == 1 with input as asked("v1.", {"caBundle": "LS0t", "service": service})
}

test_others_are_allowed if {
	api_services.deny == set() with input as asked("v1.apps", {"group": "apps"})
	api_services.deny == set() with input as asked("v1.apps", {"group": "apps", "service": null, "insecureSkipTLSVerify": false})
	api_services.deny == set() with input as asked("v1.example.com", {"group": "example.com", "caBundle": "LS0t", "service": service})
}
