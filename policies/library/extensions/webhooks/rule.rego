# METADATA
# title: Webhooks do not stop the cluster
# description: >-
#   When a webhook with failurePolicy Fail gives no answer, what it is asked about cannot be done. It is not asked about everything, it
#   leaves the namespaces of the parameter out, without which nothing can be repaired, and it does not keep requests waiting. The API
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
#           items: {type: string, minLength: 1}
#           default: [kube-system]
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

deny contains {"message": message, "field": field} if {
	some i, webhook in kubernetes.object.webhooks
	fails(webhook)
	some j, rule in webhook.rules
	everything(rule)
	not exempt
	field := sprintf("webhooks[%d].rules[%d]", [i, j])
	message := sprintf("without the webhook %q nothing in the cluster can be changed; name resources in its rules, or set failurePolicy Ignore", [
		name(webhook),
	])
}

deny contains {"message": message, "field": field} if {
	some i, webhook in kubernetes.object.webhooks
	fails(webhook)
	some rule in webhook.rules
	vital(rule)
	some namespace in input.parameters.namespaces
	not leaves_out(webhook, namespace)
	not exempt
	field := sprintf("webhooks[%d].namespaceSelector", [i])
	message := sprintf("without the webhook %q nothing in %s can be repaired; leave it out by %s NotIn in namespaceSelector", [
		name(webhook),
		namespace,
		"kubernetes.io/metadata.name",
	])
}

deny contains {"message": message, "field": field} if {
	some i, webhook in kubernetes.object.webhooks
	seconds := object.get(webhook, "timeoutSeconds", 10)
	seconds > input.parameters.maxTimeoutSeconds
	not exempt
	field := sprintf("webhooks[%d].timeoutSeconds", [i])
	message := sprintf("the webhook %q may keep a request waiting for %d seconds; set timeoutSeconds to %d at most", [
		name(webhook),
		seconds,
		input.parameters.maxTimeoutSeconds,
	])
}

name(webhook) := object.get(webhook, "name", "")

fails(webhook) if object.get(webhook, "failurePolicy", "Fail") != "Ignore"

everything(rule) if {
	"*" in rule.apiGroups
	some resource in rule.resources
	resource in {"*", "*/*"}
}

# What a cluster is repaired with.
vital(rule) if {
	some group in rule.apiGroups
	group in {"*", "", "apps", "coordination.k8s.io", "discovery.k8s.io"}
	object.get(rule, "scope", "*") != "Cluster"
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
differs(key, value, namespace) if [key, value] != ["kubernetes.io/metadata.name", namespace]

excludes(expression, namespace) if {
	expression.key == "kubernetes.io/metadata.name"
	expression.operator == "NotIn"
	namespace in expression.values
}

excludes(expression, namespace) if {
	expression.key == "kubernetes.io/metadata.name"
	expression.operator == "In"
	not namespace in expression.values
}

excludes(expression, _) if {
	expression.key != "kubernetes.io/metadata.name"
	expression.operator in {"In", "Exists"}
}

exempt if {
	some pattern in input.parameters.exemptConfigurations
	glob.match(pattern, null, kubernetes.object.metadata.name)
}
