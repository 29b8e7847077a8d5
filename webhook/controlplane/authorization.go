package controlplane

import (
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiserverv1 "k8s.io/apiserver/pkg/apis/apiserver/v1"
)

// The names of the two authorizers, which are labels of the API server's metrics.
const (
	GuardName = "portcullis-guard"
	GrantName = "portcullis-grant"
)

// authorizerTimeout stands in the way of every request, so it is far below the thirty seconds that are allowed.
const authorizerTimeout = 3 * time.Second

// authorization puts the guard before RBAC, where it can stop what RBAC would allow, and the grant after RBAC, where it is asked only
// about what nobody allowed. What the Node authorizer allows needs no answer of ours.
func (o Options) authorization() apiserverv1.AuthorizationConfiguration {
	config := apiserverv1.AuthorizationConfiguration{
		TypeMeta: metav1.TypeMeta{APIVersion: apiserverv1.SchemeGroupVersion.String(), Kind: "AuthorizationConfiguration"},
	}
	add := func(a apiserverv1.AuthorizerConfiguration) { config.Authorizers = append(config.Authorizers, a) }
	add(apiserverv1.AuthorizerConfiguration{Type: "Node", Name: "node"})
	if o.has(Guard) {
		failurePolicy := apiserverv1.FailurePolicyNoOpinion
		if o.GuardFails {
			failurePolicy = apiserverv1.FailurePolicyDeny
		}
		add(o.authorizer(GuardName, Guard, failurePolicy))
	}
	add(apiserverv1.AuthorizerConfiguration{Type: "RBAC", Name: "rbac"})
	if o.has(Grant) {
		add(o.authorizer(GrantName, Grant, apiserverv1.FailurePolicyNoOpinion)) // nobody is after it
	}
	return config
}

func (o Options) authorizer(name, callout, failurePolicy string) apiserverv1.AuthorizerConfiguration {
	kubeconfig := o.at(kubeconfigName(callout))
	// Nothing is kept: what is not allowed, and so all that a guard says, would be kept as "refused", a guard that begins to hold included, and
	// a grant would outlast its end. The times are required all the same.
	return apiserverv1.AuthorizerConfiguration{Type: string(apiserverv1.TypeWebhook), Name: name, Webhook: &apiserverv1.WebhookConfiguration{
		CacheAuthorizedRequests:   new(false),
		CacheUnauthorizedRequests: new(false),
		AuthorizedTTL:             metav1.Duration{Duration: time.Second},
		UnauthorizedTTL:           metav1.Duration{Duration: time.Second},

		Timeout:                                  metav1.Duration{Duration: authorizerTimeout},
		SubjectAccessReviewVersion:               "v1",
		MatchConditionSubjectAccessReviewVersion: "v1",
		FailurePolicy:                            failurePolicy,
		ConnectionInfo: apiserverv1.WebhookConnectionInfo{
			Type:           apiserverv1.AuthorizationWebhookConnectionInfoTypeKubeConfigFile,
			KubeConfigFile: &kubeconfig,
		},
		MatchConditions: matchConditions(o.Unasked),
	}}
}

// matchConditions keep from the webhooks what must go on when they are gone: nodes, the control plane itself, the users given, and the
// paths by which its health is asked. An expression that fails stops the request, or skips the webhook; so each of them has a value for every request.
func matchConditions(unasked []string) []apiserverv1.WebhookMatchCondition {
	// Named one by one: whoever may impersonate any user could else take such a name, and the groups of somebody who may do everything.
	users := append([]string{"system:apiserver", "system:kube-controller-manager", "system:kube-scheduler", "system:kube-proxy"}, unasked...)
	var conditions []apiserverv1.WebhookMatchCondition
	for _, expression := range []string{
		`!(has(request.groups) && request.groups.exists(g, g in ['system:nodes', 'system:serviceaccounts:kube-system']))`,
		`!(has(request.user) && request.user in ['` + strings.Join(users, "', '") + `'])`,
		`!(has(request.nonResourceAttributes) && has(request.nonResourceAttributes.path) &&` +
			` request.nonResourceAttributes.path.matches('^/(livez|readyz|healthz|version|openapi)(/|$)'))`,
	} {
		conditions = append(conditions, apiserverv1.WebhookMatchCondition{Expression: expression})
	}
	return conditions
}
