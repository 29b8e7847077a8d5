package registration

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"

	"github.com/portcullis-dev/portcullis/review"
)

const (
	probeLabel  = "portcullis.dev/probe"
	probePrefix = "portcullis-probe-"
	// probeEvery is how long a probe waits for the API server to take a registration up before it asks again.
	probeEvery = 100 * time.Millisecond
)

// probe is the webhook by which a registration is seen to work. It matches the creation of a Lease in our own namespace, which we may
// create anyway, whose label names the phase, the bundle and the webhooks beside: so only an API server that has taken up this very
// registration asks it. It fails with Fail, so that the reason comes back; nothing else in the cluster has such a label.
func (o Options) probe(phase Phase, beside []admissionregistrationv1.MutatingWebhook) admissionregistrationv1.MutatingWebhook {
	hook := o.webhook(phase, probeName(phase), ProbePath)
	hook.FailurePolicy = new(admissionregistrationv1.Fail)
	hook.Rules = []admissionregistrationv1.RuleWithOperations{{
		Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
		Rule: admissionregistrationv1.Rule{
			APIGroups: []string{leases().Group}, APIVersions: []string{all}, Resources: []string{leases().Resource},
			Scope: new(admissionregistrationv1.NamespacedScope),
		},
	}}
	hook.NamespaceSelector = namespaces(metav1.LabelSelectorOpIn, o.Namespace)
	hook.ObjectSelector = &metav1.LabelSelector{MatchLabels: map[string]string{probeLabel: o.probeValue(phase, beside)}}
	return hook
}

func probeName(phase Phase) string { return "probe." + string(phase) + "." + Group }

func (o Options) probeValue(phase Phase, beside []admissionregistrationv1.MutatingWebhook) string {
	sum := sha256.New()
	for _, hook := range beside {
		text, err := json.Marshal(hook)
		if err != nil { // it has no field that could be the reason
			text = []byte(err.Error())
		}
		sum.Write(text)
	}
	return string(phase) + "-" + Fingerprint(o.Bundle) + "-" + hex.EncodeToString(sum.Sum(nil)[:8])
}

// probed is the label that a registration has probes have; empty if there is nothing to probe.
func probed(registered *object, phase Phase) string {
	hook := registered.webhook(probeName(phase))
	if hook == nil || hook.ObjectSelector == nil {
		return ""
	}
	return hook.ObjectSelector.MatchLabels[probeLabel]
}

func leases() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}
}

// Answer is what a server said to a probe.
type Answer struct {
	Replica string // which server
	Bundle  string // the Fingerprint of the bundle that it would have callers trust
}

// Answering is the Reviewer for ProbePath: it refuses every probe, and says who refuses it.
func Answering(replica string, bundle func() []byte) review.Reviewer {
	return review.ReviewerFunc(func(_ context.Context, req *review.Request) (review.Decision, error) {
		message := fmt.Sprintf("%s answered by %s with bundle %s", req.Target.Name, replica, Fingerprint(bundle()))
		return review.Decision{
			Verdict:  review.Deny,
			Findings: []review.Finding{{Policy: "probe", Effect: review.EffectDeny, Message: message}},
		}, nil
	})
}

// Probe proves that the API server which the client speaks to has taken up the registration as it is in the cluster now, with o.Bundle or
// what another has put in its place, reaches a server at o's address and trusts its certificate: it has the API server create, as a dry
// run, a Lease which only that server can refuse. It waits until the registration is there and taken up, or ctx ends. The error says what
// was in the way.
func Probe(ctx context.Context, client dynamic.Interface, o Options, phase Phase) (Answer, error) {
	return probing(ctx, phase, func(ctx context.Context) (Answer, bool, error) {
		at := places(o.Name)
		live, err := at[slices.IndexFunc(at, func(p place) bool { return p.phase == phase })].get(ctx, client)
		if err != nil {
			return Answer{}, true, err
		}
		label := probed(live, phase)
		if label == "" || o.Bundle != nil && !slices.Equal(bundle(live.webhook(probeName(phase)).ClientConfig.CABundle), bundle(o.Bundle)) {
			return Answer{}, false, nil
		}
		return probeOnce(ctx, client, o.Namespace, phase, label)
	})
}

func probing(ctx context.Context, phase Phase, once func(context.Context) (Answer, bool, error)) (answer Answer, err error) {
	err = wait.PollUntilContextCancel(ctx, probeEvery, true, func(ctx context.Context) (asked bool, err error) {
		answer, asked, err = once(ctx)
		return asked, err
	})
	switch {
	case wait.Interrupted(err):
		return Answer{}, fmt.Errorf("the API server did not take up the registration of the %s webhook in time: %w", phase, err)
	case err != nil:
		return Answer{}, fmt.Errorf("the probe of the %s webhook was not answered: %w", phase, err)
	}
	return answer, nil
}

func probeOnce(ctx context.Context, client dynamic.Interface, namespace string, phase Phase, label string) (answer Answer, asked bool, err error) {
	name := probePrefix + rand.String(16)
	lease := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": leases().GroupVersion().String(), "kind": "Lease",
		"metadata": map[string]any{"name": name, "labels": map[string]any{probeLabel: label}},
	}}
	_, err = client.Resource(leases()).Namespace(namespace).Create(ctx, lease, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err == nil {
		return Answer{}, false, nil
	}
	// RBAC refuses with the same code; only a server that was asked knows the sentence.
	sentence := regexp.MustCompile(`^admission webhook "` + regexp.QuoteMeta(probeName(phase)) +
		`" denied the request: probe: ` + name + ` answered by (.+) with bundle ([0-9a-f]+)$`)
	found := sentence.FindStringSubmatch(err.Error())
	if found == nil {
		return Answer{}, true, err
	}
	return Answer{Replica: found[1], Bundle: found[2]}, true, nil
}
