package portcullis.library.namespaces.pod_security_test

import data.portcullis.library.namespaces.pod_security

namespace(name, labels, parameters) := {
	"request": {
		"operation": "CREATE", "kind": {"kind": "Namespace"},
		"object": {"metadata": {"name": name, "labels": labels}},
	},
	"parameters": object.union(
		{"level": "baseline", "versionRequired": false, "exemptNamespaces": ["kube-*"]},
		parameters,
	),
}

enforce(level) := {"pod-security.kubernetes.io/enforce": level}

test_a_namespace_without_a_level_is_denied if {
	every labels in [null, {}, {"pod-security.kubernetes.io/warn": "restricted"}, enforce("")] {
		pod_security.deny == {{
			"message": "the namespace enforces no Pod Security level; set its label pod-security.kubernetes.io/enforce to baseline",
			"field": `metadata.labels["pod-security.kubernetes.io/enforce"]`,
		}} with input as namespace("shop", labels, {})
	}
}

test_a_level_that_is_too_low_is_denied if {
	pod_security.deny == {{
		"message": concat("", [
			`the namespace enforces the Pod Security level "baseline"; `,
			"set its label pod-security.kubernetes.io/enforce to restricted",
		]),
		"field": `metadata.labels["pod-security.kubernetes.io/enforce"]`,
	}} with input as namespace("shop", enforce("baseline"), {"level": "restricted"})
	count(pod_security.deny) == 1 with input as namespace("shop", enforce("privileged"), {})
	count(pod_security.deny) == 1 with input as namespace("shop", enforce("Baseline"), {})
}

test_the_level_and_those_above_are_allowed if {
	pod_security.deny == set() with input as namespace("shop", enforce("baseline"), {})
	pod_security.deny == set() with input as namespace("shop", enforce("restricted"), {})
	pod_security.deny == set() with input as namespace("shop", enforce("restricted"), {"level": "restricted"})
}

test_the_version_is_asked_for_if_that_is_wanted if {
	pod_security.deny == {{
		"message": concat("", [
			"the namespace does not say the version of its Pod Security level; ",
			"set its label pod-security.kubernetes.io/enforce-version, as to v1.37",
		]),
		"field": `metadata.labels["pod-security.kubernetes.io/enforce-version"]`,
	}} with input as namespace("shop", enforce("restricted"), {"versionRequired": true})
	pod_security.deny == set() with input as namespace(
		"shop",
		object.union(enforce("restricted"), {"pod-security.kubernetes.io/enforce-version": "v1.37"}),
		{"versionRequired": true},
	)
}

test_exempt_namespaces_are_allowed if {
	pod_security.deny == set() with input as namespace("kube-system", null, {"versionRequired": true})
}
