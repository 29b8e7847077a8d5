package portcullis.library.extensions.custom_resources_test

import data.portcullis.library.extensions.custom_resources

asked(spec, annotations) := {
	"request": {
		"operation": "CREATE", "kind": {"kind": "CustomResourceDefinition"},
		"object": {"metadata": {"name": "widgets.example.com", "annotations": annotations}, "spec": spec},
	},
	"parameters": {"allowUnknownFields": false, "injectors": ["cert-manager.io/inject-ca-from"]},
}

schema(of) := {"versions": [
	{"name": "v1", "schema": {"openAPIV3Schema": {"type": "object"}}},
	object.union({"name": "v2"}, of),
]}

test_unknown_fields_are_denied if {
	custom_resources.deny == {{
		"message": "every field of the custom resource is kept, whatever its name; set spec.preserveUnknownFields to false",
		"field": "spec.preserveUnknownFields",
	}} with input as asked({"preserveUnknownFields": true}, null)
}

test_a_version_without_a_schema_is_denied if {
	every of in [{}, {"schema": null}, {"schema": {}}, {"schema": {"openAPIV3Schema": null}}] {
		custom_resources.deny == {{
			"message": "the version v2 has no schema; describe its fields in openAPIV3Schema",
			"field": "spec.versions[1].schema",
		}} with input as asked(schema(of), null)
	}
}

open_schema := {"schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}

test_a_schema_that_keeps_everything_is_denied if {
	custom_resources.deny == {{
		"message": "the version v2 keeps every field, whatever its name; describe its fields instead",
		"field": "spec.versions[1].schema.openAPIV3Schema.x-kubernetes-preserve-unknown-fields",
	}} with input as asked(schema(open_schema), null)
	custom_resources.deny == set() with input as object.union(
		asked(schema(open_schema), null),
		{"parameters": {"allowUnknownFields": true}},
	)
}

conversion(config) := {"conversion": {"strategy": "Webhook", "webhook": {"clientConfig": config}}}

test_conversion_without_authorities_is_denied if {
	every config in [{}, {"caBundle": ""}, {"caBundle": null}, {"url": "https://convert.example.com"}] {
		custom_resources.deny == {{
			"message": "the conversion webhook is trusted whoever answers; set caBundle, or have it written by a program of your choice",
			"field": "spec.conversion.webhook.clientConfig.caBundle",
		}} with input as asked(conversion(config), null)
	}
}

test_authorities_may_be_written_by_others if {
	custom_resources.deny == set() with input as asked(conversion({}), {"cert-manager.io/inject-ca-from": "tool/tool"})
	count(custom_resources.deny) == 1 with input as asked(conversion({}), {"example.com/inject-ca-from": "tool/tool"})
}

test_others_are_allowed if {
	custom_resources.deny == set() with input as asked(conversion({"caBundle": "LS0t"}), null)
	custom_resources.deny == set() with input as asked({"conversion": {"strategy": "None"}, "preserveUnknownFields": false}, null)
	custom_resources.deny == set() with input as asked(schema({"schema": {"openAPIV3Schema": {"type": "object"}}}), null)
}
