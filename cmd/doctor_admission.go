package cmd

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/portcullis-dev/portcullis/webhook/registration"
)

// hook is a webhook of either kind with the configuration it is in.
type hook struct {
	admissionregistrationv1.MutatingWebhook
	phase         registration.Phase
	configuration metav1.ObjectMeta
}

// hooks are all webhooks of the cluster, and those configurations of ours that there are.
func (d *doctor) hooks(ctx context.Context) (all []hook, ours []metav1.ObjectMeta, err error) {
	mutating, err := d.client.AdmissionregistrationV1().MutatingWebhookConfigurations().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, nil, err
	}
	validating, err := d.client.AdmissionregistrationV1().ValidatingWebhookConfigurations().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, nil, err
	}
	own := func(meta metav1.ObjectMeta) {
		if meta.Name == d.name {
			ours = append(ours, meta)
		}
	}
	for _, c := range mutating.Items {
		own(c.ObjectMeta)
		for _, h := range c.Webhooks {
			all = append(all, hook{h, registration.Mutate, c.ObjectMeta})
		}
	}
	for _, c := range validating.Items {
		own(c.ObjectMeta)
		for _, h := range c.Webhooks {
			all = append(all, hook{admissionregistrationv1.MutatingWebhook{
				Name: h.Name, ClientConfig: h.ClientConfig, Rules: h.Rules, FailurePolicy: h.FailurePolicy,
				NamespaceSelector: h.NamespaceSelector, MatchConditions: h.MatchConditions,
			}, registration.Validate, c.ObjectMeta})
		}
	}
	return all, ours, nil
}

func (d *doctor) ours(h hook) bool { return h.configuration.Name == d.name }

// registration looks at what is registered.
func (d *doctor) registration(ctx context.Context) ([]check, error) {
	all, ours, err := d.hooks(ctx)
	if err != nil {
		return nil, err
	}
	if len(ours) == 0 {
		return []check{{
			"registration", checkFail, fmt.Sprintf("there is no webhook configuration named %q", d.name),
			"start a Portcullis with --register; if the release has another name, give it with --name; what is registered by static manifests cannot be seen here",
		}}, nil
	}
	for _, meta := range ours {
		until, err := time.Parse(time.RFC3339, meta.Annotations[registration.UnlockedUntil])
		if err == nil && until.After(d.now) {
			return []check{{
				"registration", checkWarn, fmt.Sprintf("unlocked until %s by %s: %s", until.Format(time.RFC3339),
					meta.Annotations[registration.UnlockedBy], meta.Annotations[registration.UnlockedReason]),
				"portcullis lock ends it",
			}}, nil
		}
	}
	var out []check
	if slices.ContainsFunc(ours, func(meta metav1.ObjectMeta) bool { return len(meta.OwnerReferences) == 0 }) {
		out = append(out, check{
			"registration", checkWarn, fmt.Sprintf("the configurations named %s stay when the release goes, and what fails closed is refused then", d.name),
			"see what the leader's log says of the ClusterRole that should own them, or delete them before you uninstall",
		})
	}
	for _, h := range all {
		if !d.ours(h) || registration.IsProbe(h.Name) {
			continue
		}
		out = append(out, check{"registration", checkOK, fmt.Sprintf("%s is registered with failurePolicy %s", h.Name, *h.FailurePolicy), ""})
	}
	if len(out) == 0 {
		out = append(out, check{"registration", checkWarn, "no policy is asked about at admission", "apply a policy; or lock, if somebody has unlocked the cluster"})
	}
	return out, nil
}

// probes has the API server ask each webhook about what only a Portcullis can answer.
func (d *doctor) probes(ctx context.Context) ([]check, error) {
	all, _, err := d.hooks(ctx)
	if err != nil {
		return nil, err
	}
	var out []check
	for _, h := range all {
		if !d.ours(h) || !registration.IsProbe(h.Name) {
			continue
		}
		o := registration.Options{Name: d.name, Namespace: probedIn(h), Bundle: h.ClientConfig.CABundle}
		probing, cancel := context.WithTimeout(ctx, lookTime/4)
		answer, err := registration.Probe(probing, d.dynamic, o, h.phase)
		cancel()
		topic := string(h.phase)
		switch want := registration.Fingerprint(o.Bundle); {
		case err != nil:
			out = append(out, check{topic, checkFail, err.Error(), "see that Pods of the release are ready, and that the API server's network reaches them"})
		case answer.Bundle != want:
			out = append(out, check{
				topic, checkWarn, fmt.Sprintf("%s answers, with bundle %s where %s is registered", answer.Replica, answer.Bundle, want),
				"wait for the rotation of the certificates to end; if it does not, look at the leader's log",
			})
		default:
			out = append(out, check{topic, checkOK, fmt.Sprintf("the API server reaches %s and trusts it", answer.Replica), ""})
		}
	}
	if len(out) == 0 {
		out = append(out, check{
			"admission", checkWarn, "there is no webhook to probe, so it is not known whether the API server reaches Portcullis",
			"let a Portcullis keep the registration, with --register",
		})
	}
	return out, nil
}

func probedIn(h hook) string {
	if h.NamespaceSelector != nil {
		for _, e := range h.NamespaceSelector.MatchExpressions {
			if e.Operator == metav1.LabelSelectorOpIn && len(e.Values) > 0 {
				return e.Values[0]
			}
		}
	}
	return ""
}

// lockOut looks for webhooks that could keep a cluster from coming up when nobody answers them.
func (d *doctor) lockOut(ctx context.Context) ([]check, error) {
	all, _, err := d.hooks(ctx)
	if err != nil {
		return nil, err
	}
	var out []check
	for _, h := range all {
		if h.FailurePolicy != nil && *h.FailurePolicy != admissionregistrationv1.Fail {
			continue
		}
		stops, err := h.stops(d.ours(h))
		if err != nil {
			return out, fmt.Errorf("%s: %w", h.Name, err)
		}
		if len(stops) == 0 {
			continue
		}
		c := check{
			"lock-out", checkWarn, fmt.Sprintf("%s of %s stops %s when nobody answers it", h.Name, h.configuration.Name, strings.Join(stops, ", ")),
			"except kube-system by a namespaceSelector on " + corev1.LabelMetadataName + ", and leave the resources out of its rules",
		}
		if d.ours(h) {
			c.Status = checkFail
			c.Remedy = "somebody changed it; see that a Portcullis leads, which mends it"
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		out = append(out, check{"lock-out", checkOK, "no webhook that fails closed covers Pods of kube-system, nodes, leases or certificates", ""})
	}
	return out, nil
}

// stops lists what a webhook is asked about that a cluster needs to come up. One with match conditions may leave it out by them; whether it
// does is not looked at, except that ours leaves namespaces out by its selector.
func (h hook) stops(ours bool) ([]string, error) {
	selector, err := metav1.LabelSelectorAsSelector(h.NamespaceSelector)
	if err != nil {
		return nil, err
	}
	if h.NamespaceSelector == nil {
		selector = labels.Everything()
	}
	var out []string
	for _, vital := range []struct{ what, group, resource, namespace string }{
		{"Pods of kube-system", "", "pods", metav1.NamespaceSystem},
		{"nodes", "", "nodes", ""},
		{"leases of nodes", "coordination.k8s.io", "leases", corev1.NamespaceNodeLease},
		{"certificate requests", "certificates.k8s.io", "certificatesigningrequests", ""},
	} {
		if len(h.MatchConditions) > 0 && (!ours || vital.namespace == "") {
			continue
		}
		if vital.namespace != "" && !selector.Matches(labels.Set{corev1.LabelMetadataName: vital.namespace}) {
			continue
		}
		if slices.ContainsFunc(h.Rules, func(r admissionregistrationv1.RuleWithOperations) bool { return covers(r, vital.group, vital.resource) }) {
			out = append(out, vital.what)
		}
	}
	return out, nil
}

// covers reports whether a rule is about making or changing a resource.
func covers(r admissionregistrationv1.RuleWithOperations, group, resource string) bool {
	any := func(list []string, names ...string) bool {
		return slices.ContainsFunc(list, func(s string) bool { return slices.Contains(names, s) })
	}
	writes := slices.ContainsFunc(r.Operations, func(o admissionregistrationv1.OperationType) bool {
		return o == admissionregistrationv1.OperationAll || o == admissionregistrationv1.Create || o == admissionregistrationv1.Update
	})
	return writes && any(r.APIGroups, "*", group) && any(r.Resources, "*", "*/*", resource)
}
