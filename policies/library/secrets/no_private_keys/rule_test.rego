package portcullis.library.secrets.no_private_keys_test

import data.portcullis.library.secrets.no_private_keys

# Put together, so that nobody takes this file for a leak.
key := concat(" ", ["-----BEGIN", "RSA", "PRIVATE", "KEY-----\nMIIB\n-----END", "RSA", "PRIVATE", "KEY-----"])

config(object) := {"request": {"operation": "CREATE", "kind": {"kind": "ConfigMap"}, "object": object}}

pod(container) := {"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"spec": {"containers": [container]}}}}

test_a_key_in_a_config_map_is_denied if {
	no_private_keys.deny == {
		{"message": `the key "tls.key" of the ConfigMap holds a private key; put it into a Secret`, "field": `data["tls.key"]`},
		{"message": `the key "b" of the ConfigMap holds a private key; put it into a Secret`, "field": `binaryData["b"]`},
	} with input as config({"data": {"a": "x", "tls.key": key}, "binaryData": {"a": "AAAA", "b": base64.encode(key)}})
}

test_a_key_in_a_container_is_denied if {
	no_private_keys.deny == {
		{
			"message": `container "app" has a private key in its environment variable KEY; put it into a Secret and mount that`,
			"field": "spec.containers[0].env[1].value",
		},
		{
			"message": `container "app" has a private key in its command; put it into a Secret and mount that`,
			"field": "spec.containers[0].command[1]",
		},
		{
			"message": `container "app" has a private key in its args; put it into a Secret and mount that`,
			"field": "spec.containers[0].args[0]",
		},
	} with input as pod({
		"name": "app",
		"env": [{"name": "A", "value": "b"}, {"name": "KEY", "value": key}],
		"command": ["sh", key],
		"args": [key],
	})
}

test_others_are_allowed if {
	public := replace(key, "PRIVATE", "PUBLIC")
	no_private_keys.deny == set() with input as config({"data": {"a": public, "b": 7}, "binaryData": {"c": "%", "d": ""}})
	no_private_keys.deny == set() with input as config({"data": null})
	no_private_keys.deny == set() with input as config({"data": {"a": "look for PRIVATE KEY-----"}})
	no_private_keys.deny == set() with input as pod({"env": [{"name": "A", "value": public}], "command": ["sh"]})
}
