package portcullis.library.metadata.required_annotations_test

import data.portcullis.library.metadata.required_annotations

object(annotations) := {
	"request": {"operation": "CREATE", "kind": {"kind": "Service"}, "object": {"metadata": {"annotations": annotations}}},
	"parameters": {"annotations": [{"key": "contact"}, {"key": "runbook", "pattern": "https://.+"}]},
}

test_missing_annotations_are_denied if {
	every annotations in [{"runbook": "https://a"}, {"contact": "", "runbook": "https://a"}] {
		required_annotations.deny == {{
			"message": `the annotation "contact" is missing; add it to metadata.annotations`,
			"field": `metadata.annotations["contact"]`,
		}} with input as object(annotations)
	}
	count(required_annotations.deny) == 2 with input as object(null)
	count(required_annotations.deny) == 1 with input as object({"contact": "shop", "runbook": ""})
}

test_the_whole_value_must_match if {
	every value in ["http://a", "see https://a"] {
		required_annotations.deny == {{
			"message": sprintf(`the annotation "runbook" is %q; it must match https://.+`, [value]),
			"field": `metadata.annotations["runbook"]`,
		}} with input as object({"contact": "shop", "runbook": value})
	}
}

test_annotations_as_required_are_allowed if {
	required_annotations.deny == set() with input as object({"contact": "shop", "runbook": "https://a\nb", "other": ""})
}
