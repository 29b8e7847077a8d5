package drills

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

// leads reports whether some replica holds the lead and renews it.
func (w *world) leads(ctx context.Context) bool {
	lease, err := w.client.CoordinationV1().Leases(namespace).Get(ctx, name+"-leader", metav1.GetOptions{})
	return err == nil && lease.Spec.HolderIdentity != nil && *lease.Spec.HolderIdentity != "" && time.Since(lease.Spec.RenewTime.Time) < 5*time.Second
}

// leading waits until one of the Pods that are there leads, and returns it: a Lease outlives the Pod that held it.
func (w *world) leading(t *testing.T) (pod string) {
	t.Helper()
	until(t, "a Pod that is there leads", func() bool {
		pod = w.leader(t.Context())
		return w.leads(t.Context()) && slices.ContainsFunc(w.pods(t), func(p corev1.Pod) bool { return p.Name == pod })
	})
	return pod
}

// holder is the process that leads: Pods keep their name when they crash.
func (w *world) holder(ctx context.Context) string {
	lease, err := w.client.CoordinationV1().Leases(namespace).Get(ctx, name+"-leader", metav1.GetOptions{})
	if err != nil || lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

// other has something registered that nothing else has.
func other(n int) string {
	return fmt.Sprintf(`
apiVersion: portcullis.dev/v1alpha1
kind: Policy
metadata: {name: other-%d}
spec:
  match: {resources: [%s]}
  rego: |
    package other%d

    deny contains "it is forbidden" if input.request.object.metadata.name == "forbidden"
`, n, []string{"secrets", "services", "limitranges", "resourcequotas"}[n%4], n)
}

// TestLeader (F18): the leader is killed, and stopped for longer than its Lease. Another takes over and goes on writing; what the one
// that was stopped believes when it goes on is not written over it.
func TestLeader(t *testing.T) {
	w := start(t)
	t.Run("killed", func(t *testing.T) {
		for range rounds(1, 5) {
			pod := w.leading(t)
			before, began := w.holder(t.Context()), time.Now()
			w.signal(t, pod, syscall.SIGKILL)
			until(t, "another process leads", func() bool { now := w.holder(t.Context()); return now != "" && now != before })
			figure(t, "F18: another process leads %v after the leader was killed", time.Since(began).Round(time.Millisecond))
		}
		w.settled(t)
	})
	t.Run("stopped", func(t *testing.T) {
		// A second of this node's probes is a tenth of one, so that it would end a leader who stands still before its Lease is over.
		w.change(t, `{"spec":{"template":{"spec":{"containers":[{"name":"portcullis","livenessProbe":{"failureThreshold":100}}]}}}}`)
		w.settled(t)
		for n := range rounds(1, 3) {
			w.stoppedLeader(t, n)
		}
	})
	t.Run("control: what is not fenced is written", func(t *testing.T) {
		configurations := w.client.AdmissionregistrationV1().ValidatingWebhookConfigurations()
		stale, err := configurations.Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		w.put(t, "other-1", other(1))
		until(t, "the configuration has changed", func() bool {
			now, err := configurations.Get(t.Context(), name, metav1.GetOptions{})
			return err == nil && now.ResourceVersion != stale.ResourceVersion
		})
		changes := w.follow(t)
		if _, err := configurations.Update(t.Context(), stale, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
			t.Errorf("a stale write that says what it is based on is not refused: %v", err)
		}
		if _, err := configurations.Patch(t.Context(), name, types.MergePatchType, []byte(`{"webhooks":[]}`), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
		until(t, "the flapping is seen: taken away, and mended", func() bool { return len(changes.seen()) >= 2 })
	})
}

// stoppedLeader stops the leader until another leads and has written, and lets it go on.
func (w *world) stoppedLeader(t *testing.T, n int) {
	t.Helper()
	pod := w.leading(t)
	before, began := w.holder(t.Context()), time.Now()
	w.signal(t, pod, syscall.SIGSTOP)
	goOn := sync.OnceFunc(func() { _ = w.node.Signal(namespace, pod, syscall.SIGCONT) })
	t.Cleanup(goOn)
	until(t, "another leads", func() bool { now := w.holder(t.Context()); return now != "" && now != before })
	took := time.Since(began)
	// The new leader registers what the old one has not heard of.
	policy := fmt.Sprintf("other-%d", n*4)
	w.put1(t, policy, other(n*4))
	until(t, "the new leader registers it", func() bool { return w.registered(t, "secrets") })
	changes := w.follow(t)
	goOn()
	// It may take itself for the leader until its next renewal fails, which is the time to flap.
	time.Sleep(12 * time.Second)
	seen := changes.seen()
	for n, change := range seen {
		// That the replica which was stopped is alive, and serves the policies, is news, once for each of them.
		if !strings.HasPrefix(change, "Policy ") || slices.Contains(seen[:n], change) {
			t.Errorf("after the old leader goes on: %s", change)
		}
	}
	if !w.registered(t, "secrets") {
		t.Error("what the new leader had registered is gone")
	}
	w.ready(t, policy)
	figure(t, "F18: another process leads %v after the leader was stopped; when that went on, %d changes were seen: %q", took.Round(time.Millisecond),
		len(seen), seen)
}

// registered reports whether the API server is told to ask about a resource.
func (w *world) registered(t *testing.T, resource string) bool {
	t.Helper()
	v, err := w.client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Get(t.Context(), name, metav1.GetOptions{})
	return err == nil && strings.Contains(fmt.Sprint(v.Webhooks), resource)
}

// put1 is put without waiting for replicas that may stand still.
func (w *world) put1(t *testing.T, policy, text string) {
	t.Helper()
	until(t, policy+" is accepted", func() bool { return w.apply(t.Context(), text) == nil })
	t.Cleanup(func() {
		_ = w.dynamic.Resource(policyResource()).Delete(context.WithoutCancel(t.Context()), policy, metav1.DeleteOptions{})
	})
}

// told is what the status of a Policy says, without times: who comes to say the same again has flapped.
func told(policy *unstructured.Unstructured) string {
	serving, _, _ := unstructured.NestedString(policy.Object, "status", "replicas")
	findings, _, _ := unstructured.NestedInt64(policy.Object, "status", "findings")
	faults, counted, _ := unstructured.NestedInt64(policy.Object, "status", "faults")
	out := fmt.Sprintf("%s counted=%t %d %d", serving, counted, findings, faults)
	conditions, _, _ := unstructured.NestedSlice(policy.Object, "status", "conditions")
	for _, condition := range conditions {
		if c, ok := condition.(map[string]any); ok {
			out += fmt.Sprintf(" %v=%v", c["type"], c["reason"])
		}
	}
	return out
}

// changes are what happens to what leaders write.
type changes struct {
	mu  sync.Mutex
	all []string
}

func (c *changes) seen() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.all...)
}

// follow watches the webhook configurations, the Secrets of the release and the Policies from now on, until the test ends.
func (w *world) follow(t *testing.T) *changes {
	t.Helper()
	c := &changes{}
	add := func(kind string, from watch.Interface, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(from.Stop)
		go func() {
			for event := range from.ResultChan() {
				o, ok := event.Object.(metav1.Object)
				if !ok {
					continue
				}
				what := fmt.Sprintf("%s %s %s", kind, o.GetName(), strings.ToLower(string(event.Type)))
				if u, ok := o.(*unstructured.Unstructured); ok {
					what += " " + told(u)
				}
				c.mu.Lock()
				c.all = append(c.all, what)
				c.mu.Unlock()
			}
		}()
	}
	ctx := t.Context()
	v, err := w.client.AdmissionregistrationV1().ValidatingWebhookConfigurations().List(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// One resource version is that of the whole store.
	from := metav1.ListOptions{ResourceVersion: v.ResourceVersion}
	one, err := w.client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Watch(ctx, from)
	add("ValidatingWebhookConfiguration", one, err)
	two, err := w.client.AdmissionregistrationV1().MutatingWebhookConfigurations().Watch(ctx, from)
	add("MutatingWebhookConfiguration", two, err)
	three, err := w.client.CoreV1().Secrets(namespace).Watch(ctx, from)
	add("Secret", three, err)
	four, err := w.dynamic.Resource(policyResource()).Watch(ctx, from)
	add("Policy", four, err)
	return c
}
