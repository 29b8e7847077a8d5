package portcullis.library.metadata.names_test

import data.portcullis.library.metadata.names

create(metadata) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Namespace"}, "object": {"metadata": metadata}},
	"parameters": {"pattern": "(shop|blog)-[a-z]+", "maxLength": 10},
}

test_other_names_are_denied if {
	every name in ["web", "shop-", "my-shop-a", "shop-a-b"] {
		names.deny == {{
			"message": sprintf("the name %q does not match (shop|blog)-[a-z]+; choose one that does", [name]),
			"field": "metadata.name",
		}} with input as create({"name": name})
	}
}

test_long_names_are_denied if {
	names.deny == {{
		"message": `the name "shop-frontend" has 13 characters; use 10 at most`,
		"field": "metadata.name",
	}} with input as create({"name": "shop-frontend"})
}

test_names_as_they_should_be_are_allowed if {
	names.deny == set() with input as create({"name": "shop-front"})
}

test_names_that_are_yet_to_be_made_are_allowed if {
	names.deny == set() with input as create({"generateName": "x-"})
}
