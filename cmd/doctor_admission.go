package cmd

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
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

// registered are the configurations of the release, as they are in the cluster.
type registered struct {
	hooks          []hook
	configurations []metav1.ObjectMeta
	missing        []string // kinds and names
}

// unlocked returns the annotations that say so, if the cluster is.
func (r registered) unlocked(now time.Time) (until time.Time, annotations map[string]string, ok bool) {
	for _, meta := range r.configurations {
		until, err := time.Parse(time.RFC3339, meta.Annotations[registration.UnlockedUntil])
		if err == nil && until.After(now) {
			return until, meta.Annotations, true
		}
	}
	return time.Time{}, nil, false
}

// own reads the configurations of the release by their names, since who may do what the server may can list none.
func (d *doctor) own(ctx context.Context) (registered, error) {
	var out registered
	names := registration.Plan(nil, registration.Options{Name: d.name})
	found := func(kind, name string, meta metav1.ObjectMeta, hooks []hook, err error) error {
		switch {
		case apierrors.IsNotFound(err):
			out.missing = append(out.missing, kind+" "+name)
		case err != nil:
			return err
		default:
			out.configurations, out.hooks = append(out.configurations, meta), append(out.hooks, hooks...)
		}
		return nil
	}
	client := d.client.AdmissionregistrationV1()
	mutating, err := client.MutatingWebhookConfigurations().Get(ctx, names.Mutating.Name, metav1.GetOptions{})
	if err := found("MutatingWebhookConfiguration", names.Mutating.Name, mutating.ObjectMeta, mutatingHooks(*mutating), err); err != nil {
		return out, err
	}
	for _, name := range []string{names.Validating.Name, names.Policies.Name} {
		validating, err := client.ValidatingWebhookConfigurations().Get(ctx, name, metav1.GetOptions{})
		if err := found("ValidatingWebhookConfiguration", name, validating.ObjectMeta, validatingHooks(*validating), err); err != nil {
			return out, err
		}
	}
	return out, nil
}

// everybodys are all webhooks of the cluster.
func (d *doctor) everybodys(ctx context.Context) (all []hook, err error) {
	mutating, err := d.client.AdmissionregistrationV1().MutatingWebhookConfigurations().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	validating, err := d.client.AdmissionregistrationV1().ValidatingWebhookConfigurations().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for _, c := range mutating.Items {
		all = append(all, mutatingHooks(c)...)
	}
	for _, c := range validating.Items {
		all = append(all, validatingHooks(c)...)
	}
	return all, nil
}

func mutatingHooks(c admissionregistrationv1.MutatingWebhookConfiguration) (out []hook) {
	for _, h := range c.Webhooks {
		out = append(out, hook{h, registration.Mutate, c.ObjectMeta})
	}
	return out
}

func validatingHooks(c admissionregistrationv1.ValidatingWebhookConfiguration) (out []hook) {
	for _, h := range c.Webhooks {
		out = append(out, hook{admissionregistrationv1.MutatingWebhook{
			Name: h.Name, ClientConfig: h.ClientConfig, Rules: h.Rules, FailurePolicy: h.FailurePolicy,
			NamespaceSelector: h.NamespaceSelector, MatchConditions: h.MatchConditions, TimeoutSeconds: h.TimeoutSeconds,
		}, registration.Validate, c.ObjectMeta})
	}
	return out
}

func (d *doctor) ours(h hook) bool { return h.configuration.Name == d.name }

// registration looks at what is registered.
func (d *doctor) registration(ctx context.Context) ([]check, error) {
	ours, err := d.own(ctx)
	if err != nil {
		return nil, err
	}
	if len(ours.configurations) == 0 {
		return []check{{
			"registration", checkFail, fmt.Sprintf("there is no webhook configuration named %q", d.name),
			"start a Portcullis with --register; if the release has another name, give it with --name; what is registered by static manifests cannot be seen here",
		}}, nil
	}
	if until, annotations, ok := ours.unlocked(d.now); ok {
		return []check{{
			"registration", checkFail, fmt.Sprintf("nothing is enforced at admission: unlocked until %s by %s: %s", until.Format(time.RFC3339),
				annotations[registration.UnlockedBy], annotations[registration.UnlockedReason]),
			"when it is no longer needed, `portcullis lock` ends it before that time",
		}}, nil
	}
	var out []check
	for _, missing := range ours.missing {
		out = append(out, check{"registration", checkFail, "there is no " + missing, "see that a Portcullis leads, which makes it"})
	}
	if slices.ContainsFunc(ours.configurations, func(meta metav1.ObjectMeta) bool { return len(meta.OwnerReferences) == 0 }) {
		out = append(out, check{
			"registration", checkWarn, fmt.Sprintf("the configurations named %s stay when the release goes, and what fails closed is refused then", d.name),
			"see what the leader's log says of the ClusterRole that should own them, or delete them before you uninstall",
		})
	}
	if slices.ContainsFunc(ours.configurations, func(meta metav1.ObjectMeta) bool {
		return meta.Annotations[enforcementAnnotation] == string(gatekeeperWarns)
	}) {
		out = append(out, check{
			"registration", checkWarn, "Gatekeeper's constraints only warn here, and its mutators change nothing: gatekeeper-enforcement is warn",
			"when Gatekeeper is gone, or shall no longer decide, set gatekeeper.enforcement of the chart, or --gatekeeper-enforcement, to deny",
		})
	}
	asked, err := d.asked(ctx, ours.hooks)
	return append(out, asked...), err
}

// asked looks at the webhooks that ask policies, and whether they are what the Policies want.
func (d *doctor) asked(ctx context.Context, hooks []hook) (out []check, err error) {
	closed := false
	for _, h := range hooks {
		if !d.ours(h) || registration.IsProbe(h.Name) {
			continue
		}
		c := check{"registration", checkOK, fmt.Sprintf("%s is registered with failurePolicy %s", h.Name, *h.FailurePolicy), ""}
		fails := *h.FailurePolicy == admissionregistrationv1.Fail
		if !fails && h.enforces() {
			c.Status, c.Message = checkFail, c.Message+" although policies want Fail: requests pass while nobody answers"
			c.Remedy = "see that the API server reaches a Portcullis that leads, which makes it Fail once it has seen that"
		}
		closed = closed || fails || h.enforces()
		out = append(out, c)
	}
	policies, err := d.list(ctx)
	if apierrors.IsNotFound(err) {
		policies, err = nil, nil
	}
	if err != nil {
		return out, err
	}
	registered := len(out) > 0
	if wants := slices.IndexFunc(policies, wantsAdmission); !registered && wants >= 0 {
		return []check{{
			"registration", checkFail, fmt.Sprintf("no policy is asked about at admission, although Policy %s is in force there", policies[wants].Name),
			"see that a Portcullis leads, which registers it",
		}}, nil
	}
	if !registered {
		return []check{{"registration", checkWarn, "no policy is asked about at admission", "apply a policy; or lock, if somebody has unlocked the cluster"}}, nil
	}
	if wants := slices.IndexFunc(policies, wantsFail); !closed && wants >= 0 {
		out = append(out, check{
			"registration", checkWarn, fmt.Sprintf("no webhook fails closed, so what Policy %s refuses passes while nobody answers", policies[wants].Name),
			"if that is not wanted, leave out --webhook-failure-policy=Ignore, and see what the policies say of onError",
		})
	}
	return out, nil
}

// enforces reports whether a webhook is that of the policies which want Fail.
func (h hook) enforces() bool { return strings.HasPrefix(h.Name, "enforce.") }

// probes has the API server ask each webhook about what only a Portcullis can answer.
func (d *doctor) probes(ctx context.Context) ([]check, error) {
	ours, err := d.own(ctx)
	if err != nil {
		return nil, err
	}
	if until, _, ok := ours.unlocked(d.now); ok {
		return []check{{
			"admission", checkFail, "the API server asks nobody, because the cluster is unlocked until " + until.Format(time.RFC3339),
			"look again when it is locked; `portcullis lock` ends it before that time",
		}}, nil
	}
	var out []check
	for _, phase := range []registration.Phase{registration.Mutate, registration.Validate} {
		at := slices.IndexFunc(ours.hooks, func(h hook) bool { return h.phase == phase && registration.IsProbe(h.Name) })
		if at < 0 {
			out = append(out, check{
				string(phase), checkFail, "there is no webhook to probe, so it is not known whether the API server reaches Portcullis",
				"let a Portcullis keep the registration, with --register",
			})
			continue
		}
		out = append(out, d.probe(ctx, ours.hooks[at]))
	}
	return out, nil
}

func (d *doctor) probe(ctx context.Context, h hook) check {
	o := registration.Options{Name: d.name, Namespace: probedIn(h), Bundle: h.ClientConfig.CABundle}
	wait := probeTime
	if h.TimeoutSeconds != nil {
		wait += time.Duration(*h.TimeoutSeconds) * time.Second
	}
	probing, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	answer, err := registration.Probe(probing, d.dynamic, o, h.phase)
	topic := string(h.phase)
	switch want := registration.Fingerprint(o.Bundle); {
	case err != nil:
		return check{topic, checkFail, err.Error(), "see that Pods of the release are ready, and that the API server's network reaches them"}
	case answer.Bundle != want:
		return check{
			topic, checkWarn, fmt.Sprintf("%s answers, with bundle %s where %s is registered", answer.Replica, answer.Bundle, want),
			"wait for the rotation of the certificates to end; if it does not, look at the leader's log",
		}
	}
	return check{topic, checkOK, fmt.Sprintf("the API server reaches %s and trusts it", answer.Replica), ""}
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
	all, err := d.everybodys(ctx)
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
