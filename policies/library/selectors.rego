# METADATA
# scope: package
# title: Label selectors
# description: >-
#   What policies ask of selectors with matchLabels and matchExpressions. Import it as data.portcullis.selectors. A selector that is
#   not there selects nothing, an empty one everything; null in one stands for nothing.
package portcullis.selectors

# METADATA
# title: Selects
# description: Whether what has the labels is selected.
selects(selector, labels) if {
	is_object(selector)
	not _differs(selector, labels)
}

# METADATA
# title: Requires a label
# description: >-
#   Whether what is selected must have a label. An empty selector wants none, and neither does one that only says which labels must
#   not be there: both select nearly everything there is.
requires_label(selector) if selector.matchLabels[_]

requires_label(selector) if {
	some requirement in selector.matchExpressions
	requirement.operator in {"In", "Exists"}
}

_differs(selector, labels) if {
	some key, value in selector.matchLabels
	object.get(labels, key, null) != value
}

_differs(selector, labels) if {
	some requirement in selector.matchExpressions
	not _meets(requirement, labels)
}

_meets(requirement, labels) if {
	requirement.operator == "In"
	_listed(requirement, labels)
}

_meets(requirement, labels) if {
	requirement.operator == "NotIn"
	not _listed(requirement, labels)
}

_meets(requirement, labels) if {
	requirement.operator == "Exists"
	labels[requirement.key]
}

_meets(requirement, labels) if {
	requirement.operator == "DoesNotExist"
	not labels[requirement.key]
}

_listed(requirement, labels) if labels[requirement.key] in requirement.values
