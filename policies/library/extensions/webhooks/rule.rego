# METADATA
# title: Webhooks do not stop the cluster
# description: >-
#   When a webhook with failurePolicy Fail gives no answer, what it is asked about cannot be done. It is not asked about everything, unless
#   only objects or namespaces with a label wait for it, it leaves the namespaces of the parameter out, without which nothing can be repaired, and it does not keep requests waiting. The API
#   server asks no webhook about webhook configurations: portcullis review finds these among the manifests.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/cluster-administration/admission-webhooks-good-practices/
#   description: Good practices for admission webhooks
# custom:
#   portcullis:
#     severity: high
#     match:
#       resources:
#       - mutatingwebhookconfigurations.admissionregistration.k8s.io
#       - validatingwebhookconfigurations.admissionregistration.k8s.io
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         namespaces:
#           description: Namespaces that webhooks with failurePolicy Fail must leave out.
#           type: array
#           items: {type: string, format: namespace}
#           default: [kube-system, kube-node-lease]
#         maxTimeoutSeconds:
#           description: How many seconds a webhook may keep a request waiting. Without timeoutSeconds it is 10.
#           type: integer
#           minimum: 1
#           maximum: 30
#           default: 10
#         exemptConfigurations:
#           description: Names of webhook configurations that are not judged, in which a star stands for any text.
#           type: array
#           items: {type: string, pattern: "^[a-z0-9.*-]+$"}
#           default: [portcullis]
package portcullis.library.extensions.webhooks

import data.portcullis.kubernetes
import data.portcullis.selectors

deny contains {"message": message, "field": field} if {
	some i, webhook in kubernetes.object.webhooks
	fails(webhook)
	some j, rule in webhook.rules
	not opted_in(webhook)
	of := everything(rule)
	not exempt
	field := sprintf("webhooks[%d].rules[%d]", [i, j])
	message := sprintf("without the webhook %q nothing of %s that it is asked about can be changed; %s", [
		name(webhook),
		of,
		"name resources in its rules, or set failurePolicy Ignore",
	])
}

deny contains {"message": message, "field": field} if {
	some i, webhook in kubernetes.object.webhooks
	fails(webhook)
	some rule in webhook.rules
	some namespace in input.parameters.namespaces
	vital(rule, namespace)
	not leaves_out(webhook, namespace)
	not exempt
	field := sprintf("webhooks[%d].namespaceSelector", [i])
	message := sprintf("without the webhook %q nothing in %s can be repaired; leave it out by %s NotIn in namespaceSelector", [
		name(webhook),
		namespace,
		every_namespace,
	])
}

deny contains {"message": message, "field": field} if {
	some i, webhook in kubernetes.object.webhooks
	seconds := waits(webhook)
	seconds > input.parameters.maxTimeoutSeconds
	not exempt
	field := sprintf("webhooks[%d].timeoutSeconds", [i])
	message := sprintf("the webhook %q may keep a request waiting for %d seconds; set timeoutSeconds to %d at most", [
		name(webhook),
		seconds,
		input.parameters.maxTimeoutSeconds,
	])
}

name(webhook) := webhook.name if {
	is_string(webhook.name)
} else := ""

waits(webhook) := webhook.timeoutSeconds if {
	is_number(webhook.timeoutSeconds)
} else := 10

fails(webhook) if not webhook.failurePolicy == "Ignore"

# Only what somebody has put a label on, or on its namespace, waits for it.
opted_in(webhook) if selectors.requires_label(webhook.objectSelector)

opted_in(webhook) if {
	some key, _ in webhook.namespaceSelector.matchLabels
	key != every_namespace
}

opted_in(webhook) if {
	some expression in webhook.namespaceSelector.matchExpressions
	expression.key != every_namespace
	expression.operator in {"In", "Exists"}
}

# The label that every namespace has, with its name.
every_namespace := "kubernetes.io/metadata.name"

everything(rule) := "any API group" if {
	"*" in rule.apiGroups
	every_resource(rule)
} else := "the core API group" if {
	"" in rule.apiGroups
	every_resource(rule)
}

every_resource(rule) if {
	some resource in rule.resources
	resource in {"*", "*/*"}
}

# What a cluster is repaired with. In kube-node-lease there are only the leases by which nodes say that they live.
vital(rule, namespace) if {
	namespace != "kube-node-lease"
	some group in rule.apiGroups
	group in {"*", "", "apps", "coordination.k8s.io", "discovery.k8s.io"}
	not rule.scope == "Cluster"
}

vital(rule, "kube-node-lease") if {
	some group in rule.apiGroups
	group in {"*", "coordination.k8s.io"}
	some resource in rule.resources
	resource in {"*", "*/*", "leases"}
	not rule.scope == "Cluster"
}

leaves_out(webhook, namespace) if {
	some key, value in webhook.namespaceSelector.matchLabels
	differs(key, value, namespace)
}

leaves_out(webhook, namespace) if {
	some expression in webhook.namespaceSelector.matchExpressions
	excludes(expression, namespace)
}

# Any other label is one that somebody puts on the namespaces that are meant.
differs(key, value, namespace) if [key, value] != [every_namespace, namespace]

excludes(expression, namespace) if {
	expression.key == every_namespace
	expression.operator == "NotIn"
	namespace in expression.values
}

excludes(expression, namespace) if {
	expression.key == every_namespace
	expression.operator == "In"
	not namespace in expression.values
}

excludes(expression, _) if {
	expression.key != every_namespace
	expression.operator in {"In", "Exists"}
}

exempt if {
	is_string(kubernetes.object.metadata.name)
	some pattern in input.parameters.exemptConfigurations
	glob.match(pattern, null, kubernetes.object.metadata.name)
}
