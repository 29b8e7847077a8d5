package contract

import (
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The names of the two webhooks, which the API server puts before every refusal and annotation.
const (
	mutateHook   = "mutate.portcullis.dev"
	validateHook = "validate.portcullis.dev"
)

// denied is how the API server begins the sentence of a refusal.
func denied(hook, reason string) string {
	return `admission webhook "` + hook + `" denied the request: ` + reason
}

// everything is the rule that sends all there is: what is not sent is not tested.
func everything() []admissionregistrationv1.RuleWithOperations {
	return rules([]string{"*"}, []string{"*"}, "*/*")
}

func rules(groups, versions []string, resources ...string) []admissionregistrationv1.RuleWithOperations {
	return []admissionregistrationv1.RuleWithOperations{{
		Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.OperationAll},
		Rule: admissionregistrationv1.Rule{
			APIGroups: groups, APIVersions: versions, Resources: resources, Scope: new(admissionregistrationv1.AllScopes),
		},
	}}
}

func (s *server) client(path string) admissionregistrationv1.WebhookClientConfig {
	return admissionregistrationv1.WebhookClientConfig{
		Service: &admissionregistrationv1.ServiceReference{
			Namespace: serviceNamespace, Name: serviceName, Path: &path, Port: new(int32(443)),
		},
		CABundle: s.ca,
	}
}

// mutating registers the server's /mutate for everything, as strictly as it goes.
func (s *server) mutating(change ...func(*admissionregistrationv1.MutatingWebhook)) admissionregistrationv1.MutatingWebhook {
	hook := admissionregistrationv1.MutatingWebhook{
		Name: mutateHook, ClientConfig: s.client("/mutate"), Rules: everything(),
		FailurePolicy:           new(admissionregistrationv1.Fail),
		MatchPolicy:             new(admissionregistrationv1.Equivalent),
		SideEffects:             new(admissionregistrationv1.SideEffectClassNone),
		TimeoutSeconds:          new(int32(10)),
		ReinvocationPolicy:      new(admissionregistrationv1.IfNeededReinvocationPolicy),
		AdmissionReviewVersions: []string{"v1"},
		NamespaceSelector:       &metav1.LabelSelector{},
		ObjectSelector:          &metav1.LabelSelector{},
	}
	for _, c := range change {
		c(&hook)
	}
	return hook
}

// validating registers the server's /validate for everything, as strictly as it goes.
func (s *server) validating(change ...func(*admissionregistrationv1.ValidatingWebhook)) admissionregistrationv1.ValidatingWebhook {
	hook := admissionregistrationv1.ValidatingWebhook{
		Name: validateHook, ClientConfig: s.client("/validate"), Rules: everything(),
		FailurePolicy:           new(admissionregistrationv1.Fail),
		MatchPolicy:             new(admissionregistrationv1.Equivalent),
		SideEffects:             new(admissionregistrationv1.SideEffectClassNone),
		TimeoutSeconds:          new(int32(10)),
		AdmissionReviewVersions: []string{"v1"},
		NamespaceSelector:       &metav1.LabelSelector{},
		ObjectSelector:          &metav1.LabelSelector{},
	}
	for _, c := range change {
		c(&hook)
	}
	return hook
}

// both registers both webhooks as they are.
func (s *server) both() hooks {
	return hooks{
		mutating:   []admissionregistrationv1.MutatingWebhook{s.mutating()},
		validating: []admissionregistrationv1.ValidatingWebhook{s.validating()},
	}
}

func (s *server) onlyValidating(change ...func(*admissionregistrationv1.ValidatingWebhook)) hooks {
	return hooks{validating: []admissionregistrationv1.ValidatingWebhook{s.validating(change...)}}
}

func (s *server) onlyMutating(change ...func(*admissionregistrationv1.MutatingWebhook)) hooks {
	return hooks{mutating: []admissionregistrationv1.MutatingWebhook{s.mutating(change...)}}
}
