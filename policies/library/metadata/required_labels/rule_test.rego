package portcullis.library.metadata.required_labels_test

import data.portcullis.library.metadata.required_labels

object(labels) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Pod"}, "object": {"metadata": {"labels": labels}}},
	"parameters": {"labels": [{"key": "team"}, {"key": "cost-center", "pattern": "[0-9]{4}"}]},
}

test_missing_label_is_denied if {
	required_labels.deny == {{
		"message": `the label "team" is missing; add it to metadata.labels`,
		"field": `metadata.labels["team"]`,
	}} with input as object({"cost-center": "1234"})
}

test_object_without_labels_is_denied if {
	count(required_labels.deny) == 2 with input as object(null)
}

test_the_whole_value_must_match if {
	required_labels.deny == {{
		"message": `the label "cost-center" is "12345"; it must match [0-9]{4}`,
		"field": `metadata.labels["cost-center"]`,
	}} with input as object({"team": "shop", "cost-center": "12345"})
}

test_labels_as_required_are_allowed if {
	required_labels.deny == set() with input as object({"team": "shop", "cost-center": "1234"})
}

test_any_value_will_do_without_a_pattern if {
	required_labels.deny == set() with input as object({"team": "", "cost-center": "1234"})
}
