package portcullis.selectors_test

import data.portcullis.selectors

web := {"app": "web", "tier": ""}

expression(key, operator, values) := {"matchExpressions": [{"key": key, "operator": operator, "values": values}]}

test_selected if {
	every selector in [
		{},
		{"matchLabels": null, "matchExpressions": null},
		{"matchLabels": {"app": "web"}},
		{"matchLabels": {"app": "web", "tier": ""}},
		expression("app", "In", ["db", "web"]),
		expression("app", "NotIn", ["db"]),
		expression("x", "NotIn", ["db"]),
		expression("tier", "Exists", null),
		expression("x", "DoesNotExist", []),
	] {
		selectors.selects(selector, web)
	}
}

test_not_selected if {
	every selector in [
		null,
		"app=web",
		{"matchLabels": {"app": "db"}},
		{"matchLabels": {"app": "web", "x": "y"}},
		{"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "x", "operator": "Exists"}]},
		expression("app", "In", null),
		expression("x", "In", [""]),
		expression("app", "NotIn", ["web"]),
		expression("x", "Exists", null),
		expression("tier", "DoesNotExist", null),
		expression("app", "Like", ["web"]),
		{"matchExpressions": [null]},
	] {
		not selectors.selects(selector, web)
	}
}

test_a_label_is_required if {
	every selector in [
		{"matchLabels": {"app": "web"}},
		expression("app", "In", ["web"]),
		{"matchExpressions": [{"key": "x", "operator": "NotIn", "values": ["y"]}, {"key": "app", "operator": "Exists"}]},
	] {
		selectors.requires_label(selector)
	}
	every selector in [
		null,
		{},
		{"matchLabels": null, "matchExpressions": [null]},
		expression("x", "NotIn", ["y"]),
		expression("x", "DoesNotExist", null),
	] {
		not selectors.requires_label(selector)
	}
}
