package portcullis.pod_security_test

import data.portcullis.pod_security

review(kind, object) := {"request": {"operation": "CREATE", "kind": {"kind": kind}, "object": object}}

test_since if {
	every version in ["v1.25", "v1.26", "v1.100", "latest"] {
		pod_security.since(version, 25)
	}
	every version in ["v1.0", "v1.3", "v1.24"] {
		not pod_security.since(version, 25)
	}
}

test_holders if {
	pod_security.holders == [
		{"container": {"containers": [{"name": "app"}]}, "kind": "Pod", "name": "", "path": "spec"},
		{"container": {"name": "app"}, "kind": "container", "name": "app", "path": "spec.containers[0]"},
	] with input as review("Pod", {"spec": {"containers": [{"name": "app"}]}})
	pod_security.holders == [] with input as review("ConfigMap", {})
}

test_who if {
	pod_security.who({"kind": "Pod", "name": ""}) == "the Pod"
	pod_security.who({"kind": "init container", "name": "setup"}) == `init container "setup"`
}

test_in_user_namespace if {
	pod_security.in_user_namespace with input as review("Pod", {"spec": {"hostUsers": false}})
	every spec in [{}, {"hostUsers": true}, {"hostUsers": null}] {
		not pod_security.in_user_namespace with input as review("Pod", {"spec": spec})
	}
}

test_windows if {
	pod_security.windows with input as review("Pod", {"spec": {"os": {"name": "windows"}}})
	every spec in [{}, {"os": null}, {"os": {"name": "linux"}}] {
		not pod_security.windows with input as review("Pod", {"spec": spec})
	}
}

test_annotation if {
	pod_security.annotation("a/b") == "metadata.annotations[a/b]" with input as review("Pod", {})
	pod_security.annotation("a/b") == "spec.template.metadata.annotations[a/b]" with input as review("Deployment", {})
}
