package registration

import (
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The paths at which the server answers the configurations' webhooks.
const (
	MutatePath   = "/mutate"
	ValidatePath = "/validate"
	PoliciesPath = "/policies"
	ProbePath    = "/probe"
)

const (
	mutateSeconds   = 2
	validateSeconds = 3
	// policiesSeconds: a policy is compiled and its tests are run while its author waits.
	policiesSeconds = 10
)

// Configurations are everything that is registered.
type Configurations struct {
	Validating *admissionregistrationv1.ValidatingWebhookConfiguration
	Mutating   *admissionregistrationv1.MutatingWebhookConfiguration
	// Policies has our own kinds judged before the API server accepts them. It is another object so that it is the same whatever the
	// policies are, and Ignore: a server that is broken must not stop its policies from being mended.
	Policies *admissionregistrationv1.ValidatingWebhookConfiguration
}

// Plan makes the configurations for what policies want. It is a pure function, and the order of interests does not matter: the same
// wishes give the same bytes.
//
// A phase has at most two webhooks that ask policies: enforce, whose failurePolicy is Fail, for the interests with Fail, and observe, with
// Ignore, for what enforce is not asked about already. The server judges by all policies whichever webhook it is asked by. A third, probe,
// matches nothing but what Probe makes.
func Plan(interests []Interest, o Options) Configurations {
	o.Bundle = bundle(o.Bundle)
	meta := func(name string) metav1.ObjectMeta {
		m := metav1.ObjectMeta{Name: name, Labels: o.Labels, Annotations: o.Annotations}
		if o.Owner != nil {
			m.OwnerReferences = []metav1.OwnerReference{*o.Owner}
		}
		return m
	}
	typed := func(kind string) metav1.TypeMeta {
		return metav1.TypeMeta{APIVersion: admissionregistrationv1.SchemeGroupVersion.String(), Kind: kind}
	}
	c := Configurations{
		Validating: &admissionregistrationv1.ValidatingWebhookConfiguration{
			TypeMeta: typed(validatingKind), ObjectMeta: meta(o.Name),
		},
		Mutating: &admissionregistrationv1.MutatingWebhookConfiguration{
			TypeMeta: typed(mutatingKind), ObjectMeta: meta(o.Name),
		},
		Policies: &admissionregistrationv1.ValidatingWebhookConfiguration{
			TypeMeta: typed(validatingKind), ObjectMeta: meta(o.Name + policiesSuffix),
			Webhooks: []admissionregistrationv1.ValidatingWebhook{validating(o.forPolicies())},
		},
	}
	for _, hook := range o.phase(Validate, interests) {
		c.Validating.Webhooks = append(c.Validating.Webhooks, validating(hook))
	}
	c.Mutating.Webhooks = o.phase(Mutate, interests)
	return c
}

// phase makes the webhooks of one phase. A mutating webhook has all that a validating one has, so they are made as such.
func (o Options) phase(phase Phase, interests []Interest) []admissionregistrationv1.MutatingWebhook {
	enforce, observe := split(phase, interests)
	var out []admissionregistrationv1.MutatingWebhook
	for _, d := range []struct {
		demand
		name   string
		policy admissionregistrationv1.FailurePolicyType
	}{
		{enforce, enforceName(phase), admissionregistrationv1.Fail},
		{observe, observeName(phase), admissionregistrationv1.Ignore},
	} {
		if len(d.atoms) == 0 {
			continue
		}
		hook := o.webhook(phase, d.name, "/"+string(phase))
		hook.FailurePolicy = new(d.policy)
		hook.Rules = rules(d.atoms)
		hook.NamespaceSelector = namespaces(metav1.LabelSelectorOpNotIn, o.exempt()...)
		hook.MatchConditions = sparing(d.atoms, o)
		if len(d.namespaces) > 0 {
			hook.MatchConditions = append(hook.MatchConditions, inNamespaces(d.namespaces))
		}
		hook.MatchConditions = append(hook.MatchConditions, o.Conditions...)
		out = append(out, hook)
	}
	return append(out, o.probe(phase, out))
}

func enforceName(phase Phase) string { return "enforce." + string(phase) + "." + Group }
func observeName(phase Phase) string { return "observe." + string(phase) + "." + Group }

// webhook is what all of them have in common. Every field is given, also those with a default: one that is not ours could be anybody's.
func (o Options) webhook(phase Phase, name, path string) admissionregistrationv1.MutatingWebhook {
	seconds := o.ValidateSeconds
	if phase == Mutate {
		seconds = o.MutateSeconds
	}
	switch {
	case seconds != 0:
	case phase == Mutate:
		seconds = mutateSeconds
	default:
		seconds = validateSeconds
	}
	client := admissionregistrationv1.WebhookClientConfig{CABundle: o.Bundle}
	if o.URL != "" {
		client.URL = new(o.URL + path)
	} else {
		client.Service = &admissionregistrationv1.ServiceReference{Namespace: o.Namespace, Name: o.Name, Path: &path, Port: new(int32(443))}
	}
	return admissionregistrationv1.MutatingWebhook{
		Name: name, ClientConfig: client,
		FailurePolicy:           new(admissionregistrationv1.Ignore),
		MatchPolicy:             new(admissionregistrationv1.Equivalent),
		NamespaceSelector:       &metav1.LabelSelector{},
		ObjectSelector:          &metav1.LabelSelector{}, // labels are the user's, and must not be a way past a policy
		SideEffects:             new(admissionregistrationv1.SideEffectClassNone),
		TimeoutSeconds:          &seconds,
		AdmissionReviewVersions: []string{"v1"},
		ReinvocationPolicy:      new(admissionregistrationv1.IfNeededReinvocationPolicy),
	}
}

func (o Options) forPolicies() admissionregistrationv1.MutatingWebhook {
	hook := o.webhook(Validate, policiesName, PoliciesPath)
	hook.TimeoutSeconds = new(int32(policiesSeconds))
	hook.Rules = []admissionregistrationv1.RuleWithOperations{{
		Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create, admissionregistrationv1.Update},
		Rule: admissionregistrationv1.Rule{
			APIGroups: []string{Group}, APIVersions: []string{all}, Resources: []string{"policies", "policyexceptions"},
			Scope: new(admissionregistrationv1.AllScopes),
		},
	}}
	if o.Gatekeeper {
		hook.Rules = append(hook.Rules, theirRules()...)
	}
	return hook
}

// theirRules are about Gatekeeper's objects: templates, constraints of all kinds, and what goes with them.
func theirRules() (out []admissionregistrationv1.RuleWithOperations) {
	for _, of := range []struct {
		group     string
		resources []string
	}{
		{"templates.gatekeeper.sh", []string{"constrainttemplates"}},
		{"constraints.gatekeeper.sh", []string{all}},
		{"mutations.gatekeeper.sh", []string{all}},
		{"expansion.gatekeeper.sh", []string{all}},
		{"externaldata.gatekeeper.sh", []string{all}},
		{"config.gatekeeper.sh", []string{"configs"}},
		{"syncset.gatekeeper.sh", []string{"syncsets"}},
	} {
		out = append(out, admissionregistrationv1.RuleWithOperations{
			Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create, admissionregistrationv1.Update},
			Rule: admissionregistrationv1.Rule{
				APIGroups: []string{of.group}, APIVersions: []string{all}, Resources: of.resources, Scope: new(admissionregistrationv1.AllScopes),
			},
		})
	}
	return out
}

// exempt lists the namespaces that are never asked about.
func (o Options) exempt() []string {
	out := append([]string{o.Namespace, metav1.NamespaceSystem, corev1.NamespaceNodeLease, metav1.NamespacePublic}, o.ExemptNamespaces...)
	slices.Sort(out)
	return slices.Compact(out)
}

// namespaces selects by the label which the API server gives every namespace and lets nobody change.
func namespaces(operator metav1.LabelSelectorOperator, names ...string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
		{Key: corev1.LabelMetadataName, Operator: operator, Values: names},
	}}
}

func validating(h admissionregistrationv1.MutatingWebhook) admissionregistrationv1.ValidatingWebhook {
	return admissionregistrationv1.ValidatingWebhook{
		Name: h.Name, ClientConfig: h.ClientConfig, Rules: h.Rules, FailurePolicy: h.FailurePolicy, MatchPolicy: h.MatchPolicy,
		NamespaceSelector: h.NamespaceSelector, ObjectSelector: h.ObjectSelector, SideEffects: h.SideEffects, TimeoutSeconds: h.TimeoutSeconds,
		AdmissionReviewVersions: h.AdmissionReviewVersions, MatchConditions: h.MatchConditions,
	}
}
