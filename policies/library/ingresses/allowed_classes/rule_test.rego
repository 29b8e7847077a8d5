package portcullis.library.ingresses.allowed_classes_test

import data.portcullis.library.ingresses.allowed_classes

asked(annotations, spec) := {
	"request": {
		"operation": "CREATE",
		"kind": {"kind": "Ingress"},
		"object": {"metadata": {"annotations": annotations}, "spec": spec},
	},
	"parameters": {"classes": ["internal", "mesh"], "required": true},
}

test_other_classes_are_denied if {
	allowed_classes.deny == {{
		"message": "the class public is not allowed; use internal or mesh",
		"field": "spec.ingressClassName",
	}} with input as asked({}, {"ingressClassName": "public"})
}

test_the_annotation_of_old_counts if {
	allowed_classes.deny == {{
		"message": "the class public is not allowed; use internal or mesh",
		"field": `metadata.annotations["kubernetes.io/ingress.class"]`,
	}} with input as asked({"kubernetes.io/ingress.class": "public"}, {"ingressClassName": "internal"})
	allowed_classes.deny == set() with input as asked({"kubernetes.io/ingress.class": "mesh"}, {})
}

test_no_class_is_denied_unless_none_is_required if {
	every spec in [{}, {"ingressClassName": null}] {
		allowed_classes.deny == {{
			"message": "the Ingress has no class; set spec.ingressClassName to internal or mesh",
			"field": "spec.ingressClassName",
		}} with input as asked({}, spec)
		allowed_classes.deny == set() with input as asked({}, spec) with input.parameters.required as false
	}
}

test_allowed_classes_are_allowed if {
	allowed_classes.deny == set() with input as asked(null, {"ingressClassName": "mesh"})
}
