package node

import (
	"context"
	"fmt"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// selectorAnnotation holds the selector which a Service was written with.
	selectorAnnotation = "node.portcullis.test/selector"
	// selectorPolicy is the name of the MutatingAdmissionPolicy and its binding.
	selectorPolicy = "node.portcullis.test"
	// inForceTime bounds how long the API server may take to have read a policy; it takes a second or two.
	inForceTime = 30 * time.Second
)

// takeSelectors lets the API server move the selector of every Service it is given into an annotation, so that Kubernetes' own controller
// writes no EndpointSlices for it. It returns when that is in force.
func (n *Node) takeSelectors(ctx context.Context) error {
	api := n.client.AdmissionregistrationV1()
	scope := admissionregistrationv1.NamespacedScope
	failure := admissionregistrationv1.Fail
	policy := &admissionregistrationv1.MutatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: selectorPolicy},
		Spec: admissionregistrationv1.MutatingAdmissionPolicySpec{
			FailurePolicy:      &failure,
			ReinvocationPolicy: admissionregistrationv1.NeverReinvocationPolicy,
			MatchConstraints: &admissionregistrationv1.MatchResources{
				NamespaceSelector: n.namespaceSelector(),
				ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{RuleWithOperations: admissionregistrationv1.RuleWithOperations{
					Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create, admissionregistrationv1.Update},
					Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"services"}, Scope: &scope},
				}}},
			},
			MatchConditions: []admissionregistrationv1.MatchCondition{{Name: "selects", Expression: "has(object.spec.selector) && object.spec.selector.size() > 0"}},
			Mutations: []admissionregistrationv1.Mutation{
				{PatchType: admissionregistrationv1.PatchTypeApplyConfiguration, ApplyConfiguration: &admissionregistrationv1.ApplyConfiguration{
					Expression: fmt.Sprintf("Object{metadata: Object.metadata{annotations: {%q: object.spec.selector.map(k, k + '=' + object.spec.selector[k]).join(',')}}}", selectorAnnotation),
				}},
				{PatchType: admissionregistrationv1.PatchTypeJSONPatch, JSONPatch: &admissionregistrationv1.JSONPatch{
					Expression: `[JSONPatch{op: "remove", path: "/spec/selector"}]`,
				}},
			},
		},
	}
	if _, err := api.MutatingAdmissionPolicies().Create(ctx, policy, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	binding := &admissionregistrationv1.MutatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: selectorPolicy},
		Spec:       admissionregistrationv1.MutatingAdmissionPolicyBindingSpec{PolicyName: selectorPolicy},
	}
	if _, err := api.MutatingAdmissionPolicyBindings().Create(ctx, binding, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	return n.awaitPolicy(ctx)
}

func (n *Node) namespaceSelector() *metav1.LabelSelector {
	if len(n.opts.Namespaces) == 0 {
		return nil
	}
	return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{
		Key: corev1.LabelMetadataName, Operator: metav1.LabelSelectorOpIn, Values: n.opts.Namespaces,
	}}}
}

// awaitPolicy tries a Service until its selector is taken.
func (n *Node) awaitPolicy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, inForceTime)
	defer cancel()
	namespace := metav1.NamespaceSystem // where a webhook that nobody answers does not stop it
	if len(n.opts.Namespaces) > 0 {
		namespace = n.opts.Namespaces[0]
	}
	trial := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "trial-"},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": "trial"}, Ports: []corev1.ServicePort{{Port: 443}}},
	}
	tick := time.NewTicker(retryEvery)
	defer tick.Stop()
	for {
		made, err := n.client.CoreV1().Services(namespace).Create(ctx, trial, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err != nil {
			return fmt.Errorf("try a Service in the namespace %s: %w", namespace, err)
		}
		if made.Annotations[selectorAnnotation] == "app=trial" && len(made.Spec.Selector) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the MutatingAdmissionPolicy did not come in force: %w", context.Cause(ctx))
		case <-tick.C:
		}
	}
}
