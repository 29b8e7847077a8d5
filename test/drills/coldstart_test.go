package drills

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"slices"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// everything has both webhooks registered with Fail for every operation on every resource.
const everything = `
apiVersion: portcullis.dev/v1alpha1
kind: Policy
metadata: {name: everything}
spec:
  match: {resources: ["*/*"], operations: [CREATE, UPDATE, DELETE, CONNECT]}
  rego: |
    package everything

    deny contains "it is forbidden" if input.request.name == "forbidden"

    mutate contains {"default": ["metadata", "labels", "seen"], "value": "yes"} if input.request.name == "forbidden"
`

// TestColdStart (F2): everything is registered with Fail, the whole cluster is switched off, and comes back without a single server. What
// brings nodes, the system and the servers back must pass although nobody answers; then the servers are back without anybody's help.
func TestColdStart(t *testing.T) {
	w := start(t)
	w.put(t, "everything", everything)
	until(t, "everything is registered with Fail", func() bool {
		v, err := w.client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			return false
		}
		m, err := w.client.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(t.Context(), name, metav1.GetOptions{})
		return err == nil && failing(v.Webhooks[0].FailurePolicy, v.Webhooks[0].Rules) && failing(m.Webhooks[0].FailurePolicy, m.Webhooks[0].Rules)
	})
	// A Pod of somebody else's, which its kubelet looks after.
	if err := w.makePod(t.Context(), work, "old", "other", false); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		none := int64(0)
		_ = w.client.CoreV1().Pods(work).Delete(context.WithoutCancel(t.Context()), "old", metav1.DeleteOptions{GracePeriodSeconds: &none})
	})

	w.node.Stop()
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := w.startPlane(t.Context()); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	until(t, "a Pod elsewhere is stopped, which shows that nobody answers", func() bool { return unanswered(w.makePod(t.Context(), work, "x", "", true)) })
	for _, line := range w.lifelines(t) {
		if err := line.do(t.Context()); err != nil {
			t.Errorf("%s: %v", line.what, err)
		}
	}
	none := int64(0)
	before := w.pods(t)
	for _, pod := range before {
		if err := w.client.CoreV1().Pods(namespace).Delete(t.Context(), pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &none}); err != nil {
			t.Error(err)
		}
	}
	until(t, "controllers make our Pods anew", func() bool {
		pods := w.pods(t)
		return len(pods) == replicas && pods[0].Name != before[0].Name
	})
	if !unanswered(w.makePod(t.Context(), work, "x", "", true)) {
		t.Error("a Pod elsewhere passes while nobody runs: the drill proves nothing")
	}
	without := time.Since(began)

	began = time.Now()
	if err := w.startNode(t.Context()); err != nil { // a machine that may run them: nothing else is done
		t.Fatal(err)
	}
	until(t, "an answer is given again", func() bool { return refusedBy(w.configMap(t.Context(), false), "team") })
	back := time.Since(began)
	w.settled(t)
	figure(t, "F2: %d requests a cluster lives by passed in %v without a server; the first answer came %v after a node was there, all three replicas decided after %v",
		len(w.lifelines(t)), without.Round(time.Millisecond), back.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))

	t.Run("control: without the exclusions it does not come back", func(t *testing.T) { w.withoutExclusions(t) })
}

func failing(policy *admissionregistrationv1.FailurePolicyType, rules []admissionregistrationv1.RuleWithOperations) bool {
	return *policy == admissionregistrationv1.Fail && slices.ContainsFunc(rules, func(r admissionregistrationv1.RuleWithOperations) bool {
		return slices.Contains(r.APIGroups, "*") && slices.Contains(r.Resources, "*/*")
	})
}

// withoutExclusions registers, beside our own, a webhook as a careless person would: everything, Fail, nobody there.
func (w *world) withoutExclusions(t *testing.T) {
	rule := admissionregistrationv1.RuleWithOperations{
		Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.OperationAll},
		Rule:       admissionregistrationv1.Rule{APIGroups: []string{"*"}, APIVersions: []string{"*"}, Resources: []string{"*/*"}},
	}
	careless := &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "careless"},
		Webhooks: []admissionregistrationv1.ValidatingWebhook{{
			Name: "enforce.careless.example.com", Rules: []admissionregistrationv1.RuleWithOperations{rule}, AdmissionReviewVersions: []string{"v1"},
			ClientConfig: admissionregistrationv1.WebhookClientConfig{URL: new("https://127.0.0.1:1/")}, TimeoutSeconds: new(int32(1)),
			FailurePolicy: new(admissionregistrationv1.Fail), SideEffects: new(admissionregistrationv1.SideEffectClassNone),
		}},
	}
	configurations := w.client.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	if _, err := configurations.Create(t.Context(), careless, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	remove := func() {
		_ = configurations.Delete(context.WithoutCancel(t.Context()), careless.Name, metav1.DeleteOptions{})
	}
	t.Cleanup(remove)
	until(t, "our own Pod is stopped", func() bool { return unanswered(w.makePod(t.Context(), namespace, "x", "", true)) })
	stopped := 0
	lines := w.lifelines(t)
	for _, line := range lines {
		if err := line.do(t.Context()); unanswered(err) {
			stopped++
		} else {
			t.Errorf("%s is not stopped: %v", line.what, err)
		}
	}
	figure(t, "F2 control: without the exclusions %d of %d are stopped", stopped, len(lines))
	remove()
	until(t, "our own Pod passes again", func() bool { return w.makePod(t.Context(), namespace, "x", "", true) == nil })
}

func (w *world) makePod(ctx context.Context, in, name, node string, dry bool) error {
	options := metav1.CreateOptions{}
	if dry {
		options.DryRun = []string{metav1.DryRunAll}
	}
	_, err := w.client.CoreV1().Pods(in).Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Name: "c", Image: "i"}}},
	}, options)
	return err
}

// lifeline is one request that must pass although nobody answers.
type lifeline struct {
	what string
	do   func(context.Context) error
}

// lifelines are made anew for each use, so that nothing exists already.
func (w *world) lifelines(t *testing.T) (out []lifeline) {
	t.Helper()
	tag := fmt.Sprint(time.Now().UnixNano())
	newcomer := "node-" + tag
	kubelet := w.as("system:node:"+newcomer, "system:nodes", "system:authenticated")
	add := func(what string, do func(context.Context) error) { out = append(out, lifeline{what, do}) }
	made := metav1.CreateOptions{}
	add("a kubelet asks for its certificate", func(ctx context.Context) error {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
			Subject: pkix.Name{CommonName: "system:node:" + newcomer, Organization: []string{"system:nodes"}},
		}, key)
		if err != nil {
			return err
		}
		request := &certificatesv1.CertificateSigningRequest{ObjectMeta: metav1.ObjectMeta{Name: newcomer}, Spec: certificatesv1.CertificateSigningRequestSpec{
			Request: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), SignerName: certificatesv1.KubeAPIServerClientKubeletSignerName,
			Usages: []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageClientAuth},
		}}
		_, err = w.client.CertificatesV1().CertificateSigningRequests().Create(ctx, request, made)
		if err != nil {
			return err
		}
		request.Status.Conditions = []certificatesv1.CertificateSigningRequestCondition{
			{Type: certificatesv1.CertificateApproved, Status: corev1.ConditionTrue, Reason: "Drill", Message: tag},
		}
		_, err = w.client.CertificatesV1().CertificateSigningRequests().UpdateApproval(ctx, newcomer, request, metav1.UpdateOptions{})
		return err
	})
	add("a node joins", func(ctx context.Context) error {
		_, err := kubelet.CoreV1().Nodes().Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: newcomer}}, made)
		return err
	})
	add("a node that is known reports", func(ctx context.Context) error {
		ready := `{"status":{"conditions":[{"type":"Drill","status":"True","reason":"Drill","message":"` + tag + `"}]}}`
		_, err := w.client.CoreV1().Nodes().Patch(ctx, "node", types.StrategicMergePatchType, []byte(ready), metav1.PatchOptions{}, "status")
		return err
	})
	add("a node takes its lease", func(ctx context.Context) error {
		_, err := kubelet.CoordinationV1().Leases(corev1.NamespaceNodeLease).Create(ctx, &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: newcomer}}, made)
		return err
	})
	add("a controller elsewhere takes a lease", func(ctx context.Context) error {
		_, err := w.client.CoordinationV1().Leases(work).Create(ctx, &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: newcomer}}, made)
		return err
	})
	add("somebody writes an event", func(ctx context.Context) error {
		_, err := w.client.CoreV1().Events(work).Create(ctx, &corev1.Event{
			ObjectMeta: metav1.ObjectMeta{Name: newcomer}, InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: work, Name: "old"}, Reason: "Drill",
		}, made)
		return err
	})
	add("a kubelet reports on a Pod of somebody else's", func(ctx context.Context) error {
		other := w.as("system:node:other", "system:nodes", "system:authenticated")
		_, err := other.CoreV1().Pods(work).Patch(ctx, "old", types.StrategicMergePatchType, []byte(`{"status":{"message":"`+tag+`"}}`), metav1.PatchOptions{}, "status")
		return err
	})
	add("a Pod of the system is made", func(ctx context.Context) error { return w.makePod(ctx, metav1.NamespaceSystem, newcomer, "", true) })
	add("a Pod of ours is made", func(ctx context.Context) error { return w.makePod(ctx, namespace, newcomer, "", true) })
	add("our service account is annotated", func(ctx context.Context) error {
		_, err := w.client.CoreV1().ServiceAccounts(namespace).Patch(ctx, name, types.MergePatchType, []byte(`{"metadata":{"annotations":{"drill":"`+tag+`"}}}`), metav1.PatchOptions{})
		return err
	})
	add("our Namespace is labelled", func(ctx context.Context) error {
		_, err := w.client.CoreV1().Namespaces().Patch(ctx, namespace, types.MergePatchType, []byte(`{"metadata":{"labels":{"drill":"`+tag+`"}}}`), metav1.PatchOptions{})
		return err
	})
	add("a policy is mended", func(ctx context.Context) error {
		_, err := w.dynamic.Resource(policyResource()).Patch(ctx, "everything", types.MergePatchType, []byte(`{"metadata":{"annotations":{"drill":"`+tag+`"}}}`), metav1.PatchOptions{})
		return err
	})
	return out
}

// as is a client that acts as somebody else.
func (w *world) as(user string, groups ...string) *kubernetes.Clientset {
	config := rest.CopyConfig(w.config)
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: groups}
	return kubernetes.NewForConfigOrDie(config)
}
