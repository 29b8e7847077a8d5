package cluster

import (
	"context"
	"fmt"
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

const (
	// configurationName is the name of both webhook configurations.
	configurationName = "portcullis"
	// Mutating webhooks are asked one after another, so they get less time than the validating ones, which are asked at once.
	mutateSeconds, validateSeconds = 2, 3
)

// WebhookConfigurations returns the registrations of the two admission webhooks; one that is not among Paths is nil.
func (c Callouts) WebhookConfigurations() (
	*admissionregistrationv1.ValidatingWebhookConfiguration, *admissionregistrationv1.MutatingWebhookConfiguration,
) {
	failurePolicy := c.FailurePolicy
	if failurePolicy == "" {
		failurePolicy = admissionregistrationv1.Fail
	}
	exempt := c.ExemptNamespaces
	if exempt == nil {
		exempt = []string{metav1.NamespaceSystem, corev1.NamespaceNodeLease, metav1.NamespacePublic}
	}
	selector := &metav1.LabelSelector{}
	if len(exempt) > 0 { // NotIn nothing is not a valid selector
		selector.MatchExpressions = []metav1.LabelSelectorRequirement{{
			Key: corev1.LabelMetadataName, Operator: metav1.LabelSelectorOpNotIn, Values: exempt,
		}}
	}
	rules := c.Rules
	if rules == nil {
		rules = DefaultRules()
	}
	client := func(path string) admissionregistrationv1.WebhookClientConfig {
		address := c.address(path)
		return admissionregistrationv1.WebhookClientConfig{URL: &address, CABundle: c.CA}
	}
	matchPolicy, sideEffects := admissionregistrationv1.Equivalent, admissionregistrationv1.SideEffectClassNone
	meta := metav1.ObjectMeta{Name: configurationName}

	var validating *admissionregistrationv1.ValidatingWebhookConfiguration
	if c.has(Validate) {
		timeout := int32(validateSeconds)
		validating = &admissionregistrationv1.ValidatingWebhookConfiguration{
			TypeMeta:   metav1.TypeMeta{APIVersion: "admissionregistration.k8s.io/v1", Kind: "ValidatingWebhookConfiguration"},
			ObjectMeta: meta,
			Webhooks: []admissionregistrationv1.ValidatingWebhook{{
				Name: "validate.portcullis.dev", ClientConfig: client(Validate), Rules: rules, NamespaceSelector: selector,
				FailurePolicy: &failurePolicy, MatchPolicy: &matchPolicy, SideEffects: &sideEffects, TimeoutSeconds: &timeout,
				AdmissionReviewVersions: []string{"v1"},
			}},
		}
	}
	var mutating *admissionregistrationv1.MutatingWebhookConfiguration
	if c.has(Mutate) {
		timeout, again := int32(mutateSeconds), admissionregistrationv1.IfNeededReinvocationPolicy
		mutating = &admissionregistrationv1.MutatingWebhookConfiguration{
			TypeMeta:   metav1.TypeMeta{APIVersion: "admissionregistration.k8s.io/v1", Kind: "MutatingWebhookConfiguration"},
			ObjectMeta: meta,
			Webhooks: []admissionregistrationv1.MutatingWebhook{{
				Name: "mutate.portcullis.dev", ClientConfig: client(Mutate), Rules: mutable(rules), NamespaceSelector: selector,
				FailurePolicy: &failurePolicy, MatchPolicy: &matchPolicy, SideEffects: &sideEffects, TimeoutSeconds: &timeout,
				AdmissionReviewVersions: []string{"v1"}, ReinvocationPolicy: &again,
			}},
		}
	}
	return validating, mutating
}

// Apply registers the admission webhooks, or changes the registration there is. The API server takes it up a moment later, so whoever
// expects a webhook to be called must ask until it is.
func (c Callouts) Apply(ctx context.Context, config *rest.Config) error {
	if err := c.check(); err != nil {
		return fmt.Errorf("callouts: %w", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("register the webhooks: %w", err)
	}
	validating, mutating := c.WebhookConfigurations()
	if validating != nil {
		if err := apply(ctx, client.AdmissionregistrationV1().ValidatingWebhookConfigurations(), validating); err != nil {
			return fmt.Errorf("register the validating webhook: %w", err)
		}
	}
	if mutating != nil {
		if err := apply(ctx, client.AdmissionregistrationV1().MutatingWebhookConfigurations(), mutating); err != nil {
			return fmt.Errorf("register the mutating webhook: %w", err)
		}
	}
	return nil
}

// resource is the part of a typed client which apply needs.
type resource[T metav1.Object] interface {
	Get(context.Context, string, metav1.GetOptions) (T, error)
	Create(context.Context, T, metav1.CreateOptions) (T, error)
	Update(context.Context, T, metav1.UpdateOptions) (T, error)
}

func apply[T metav1.Object](ctx context.Context, client resource[T], wanted T) error {
	_, err := client.Create(ctx, wanted, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	current, err := client.Get(ctx, wanted.GetName(), metav1.GetOptions{})
	if err != nil {
		return err
	}
	wanted.SetResourceVersion(current.GetResourceVersion())
	_, err = client.Update(ctx, wanted, metav1.UpdateOptions{})
	return err
}

// DefaultRules name what people write policies about. They never name leases, events, nodes, or the reviews themselves: those are what a
// cluster needs to stay alive while the webhook server is away.
func DefaultRules() []admissionregistrationv1.RuleWithOperations {
	const (
		create  = admissionregistrationv1.Create
		update  = admissionregistrationv1.Update
		remove  = admissionregistrationv1.Delete
		connect = admissionregistrationv1.Connect
	)
	scope := admissionregistrationv1.AllScopes
	rule := func(group string, operations []admissionregistrationv1.OperationType, resources ...string) admissionregistrationv1.RuleWithOperations {
		version := "v1"
		if group == "autoscaling" {
			version = "v2"
		}
		return admissionregistrationv1.RuleWithOperations{
			Operations: operations,
			Rule: admissionregistrationv1.Rule{
				APIGroups: []string{group}, APIVersions: []string{version}, Resources: resources, Scope: &scope,
			},
		}
	}
	writes := []admissionregistrationv1.OperationType{create, update, remove}
	return []admissionregistrationv1.RuleWithOperations{
		rule("", writes, "configmaps", "endpoints", "limitranges", "namespaces", "persistentvolumeclaims", "persistentvolumes", "pods",
			"pods/ephemeralcontainers", "pods/eviction", "pods/resize", "podtemplates", "replicationcontrollers",
			"replicationcontrollers/scale", "resourcequotas", "secrets", "serviceaccounts", "serviceaccounts/token", "services"),
		rule("", []admissionregistrationv1.OperationType{connect}, "pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "services/proxy"),
		rule("apps", writes, "controllerrevisions", "daemonsets", "deployments", "deployments/scale", "replicasets", "replicasets/scale",
			"statefulsets", "statefulsets/scale"),
		rule("autoscaling", writes, "horizontalpodautoscalers"),
		rule("batch", writes, "cronjobs", "jobs"),
		rule("networking.k8s.io", writes, "ingressclasses", "ingresses", "networkpolicies"),
		rule("discovery.k8s.io", writes, "endpointslices"),
		rule("policy", writes, "poddisruptionbudgets"),
		rule("rbac.authorization.k8s.io", writes, "clusterrolebindings", "clusterroles", "rolebindings", "roles"),
		rule("storage.k8s.io", writes, "storageclasses"),
		rule("scheduling.k8s.io", writes, "priorityclasses"),
		rule("certificates.k8s.io", writes, "certificatesigningrequests", "certificatesigningrequests/approval"),
		rule("apiextensions.k8s.io", writes, "customresourcedefinitions"),
	}
}

// mutable keeps the creates and updates: in a delete or a connect there is nothing to change, and a patch would fail the request.
func mutable(rules []admissionregistrationv1.RuleWithOperations) []admissionregistrationv1.RuleWithOperations {
	var kept []admissionregistrationv1.RuleWithOperations
	for _, rule := range rules {
		all := slices.Contains(rule.Operations, admissionregistrationv1.OperationAll)
		var operations []admissionregistrationv1.OperationType
		for _, op := range []admissionregistrationv1.OperationType{admissionregistrationv1.Create, admissionregistrationv1.Update} {
			if all || slices.Contains(rule.Operations, op) {
				operations = append(operations, op)
			}
		}
		if len(operations) > 0 {
			rule.Operations = operations
			kept = append(kept, rule)
		}
	}
	return kept
}
