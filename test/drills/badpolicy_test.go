package drills

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
)

// bad is counted with Rego that does not compile.
const bad = `
apiVersion: portcullis.dev/v1alpha1
kind: Policy
metadata: {name: counted}
spec:
  match: {resources: [secrets], namespaces: [work]}
  rego: |
    package counted

    deny contains "never" if no_such_function(input)
`

// TestBadPolicy (F11): a policy that does not compile gets into the cluster past the gate. What is decided by it and by the others stays as
// it was, the status tells, and a good version is taken up. A good change, which is seen at once, is the control. Servers that start with the
// bad policy find its last good version; without what was kept of it, which is the control, they do not enforce it.
func TestBadPolicy(t *testing.T) {
	w := start(t)
	w.put(t, "counted", counted(0))
	if err := w.apply(t.Context(), bad); err == nil || !strings.Contains(err.Error(), "no_such_function") {
		t.Fatalf("the gate lets it pass: %v", err)
	}
	caller, where := w.asAPIServer(t), w.addresses(t)
	questions := map[string][]byte{"counted: push 0": review(t, "Secret", work), "team: a ConfigMap needs the label team": review(t, "ConfigMap", work)}
	same := func(ctx context.Context) error {
		for pod, address := range where {
			for want, question := range questions {
				got, err := caller.ask(ctx, address, question)
				if err != nil || !strings.Contains(got.message(), want) {
					return fmt.Errorf("%s does not say %q: %+v, %w", pod, want, got, err)
				}
			}
		}
		return nil
	}
	load := begin(t, 2, 10*time.Millisecond, func(ctx context.Context, _ int) error { return same(ctx) })
	w.portcullis(t, "unlock", "--for=1h", "--reason=a drill") // which takes the gate away, too
	until(t, "the bad policy is in the cluster", func() bool { return w.apply(t.Context(), bad) == nil })
	began := time.Now()
	until(t, "the status tells that it does not compile and the last good version serves", func() bool {
		p := w.policy(t.Context(), "counted")
		return p.Status.ObservedGeneration == p.Generation && meta.IsStatusConditionFalse(p.Status.Conditions, v1alpha1.PolicyCompiled) &&
			meta.IsStatusConditionTrue(p.Status.Conditions, v1alpha1.PolicyStalled) && strings.Contains(p.Status.Message, "no_such_function")
	})
	took := time.Since(began)
	w.portcullis(t, "lock")
	until(t, "team is enforced", func() bool { return refusedBy(w.configMap(t.Context(), false), "team") })
	load.moves(t, rounds(100, 2000))
	if got := load.end(); got.failed > 0 {
		t.Errorf("with a bad policy in the cluster: %v", got)
	} else {
		figure(t, "F11: the status tells of a bad policy after %v; %d rounds of two reviews to each replica meanwhile, all decided as before", took.Round(time.Millisecond), got.asked)
	}

	t.Run("control: a good change is seen", func(t *testing.T) {
		until(t, "it is accepted", func() bool { return w.apply(t.Context(), counted(1)) == nil })
		w.ready(t, "counted")
		if same(t.Context()) == nil {
			t.Error("a change of the policy changes no decision: the drill above proves nothing")
		}
	})
	t.Run("servers that start with it have its last good version", func(t *testing.T) {
		w.unlocked(t, func() {
			until(t, "the bad policy is in the cluster", func() bool { return w.apply(t.Context(), bad) == nil })
			until(t, "its last good version is kept", func() bool {
				kept, err := w.client.CoreV1().Secrets(namespace).Get(t.Context(), lastGood, metav1.GetOptions{})
				return err == nil && len(kept.Data["counted"]) > 0
			})
		})
		w.restart(t)
		until(t, "the status tells", func() bool { return w.says(t.Context(), "an earlier version is served, because this one is faulty") })
		until(t, "team is enforced", func() bool { return refusedBy(w.configMap(t.Context(), false), "team") })
		for pod, answer := range w.ofSecrets(t, caller) {
			if !strings.Contains(answer.message(), "counted: push 1") {
				t.Errorf("%s, started with the bad policy in the cluster, does not decide by the last good one: %+v", pod, answer)
			}
		}
		figure(t, "F11: servers that are started with the bad policy in the cluster decide by its last good version")
	})
	t.Run("control: without what was kept it is not enforced", func(t *testing.T) {
		w.unlocked(t, func() {
			// With no server left nobody writes it again, nor has any a version of before.
			w.scale(t, 0)
			if err := w.client.CoreV1().Secrets(namespace).Delete(t.Context(), lastGood, metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			w.scale(t, replicas)
		})
		until(t, "the status tells", func() bool {
			return w.says(t.Context(), "no version is served, because this one is faulty and there is no earlier one")
		})
		until(t, "team is enforced", func() bool { return refusedBy(w.configMap(t.Context(), false), "team") })
		for pod, answer := range w.ofSecrets(t, caller) {
			if !answer.response.Allowed {
				t.Errorf("%s refuses all the same: %+v; the drill above proves nothing", pod, answer)
			}
		}
		figure(t, "F11 control: without the Secret what the policy had refused is allowed")
	})
	t.Run("what is mended is not kept", func(t *testing.T) {
		until(t, "it is accepted", func() bool { return w.apply(t.Context(), counted(2)) == nil })
		w.ready(t, "counted")
		until(t, "nothing is kept", func() bool {
			kept, err := w.client.CoreV1().Secrets(namespace).Get(t.Context(), lastGood, metav1.GetOptions{})
			return apierrors.IsNotFound(err) || err == nil && len(kept.Data) == 0
		})
	})
}

// lastGood is the Secret with the last good versions of faulty policies.
const lastGood = name + "-last-good"

// unlocked does something while the webhooks are away, and with them the gate.
func (w *world) unlocked(t *testing.T, do func()) {
	t.Helper()
	w.portcullis(t, "unlock", "--for=1h", "--reason=a drill")
	do()
	w.portcullis(t, "lock")
}

// says reports whether the status of counted says why it is not ready.
func (w *world) says(ctx context.Context, why string) bool {
	p := w.policy(ctx, "counted")
	if p == nil {
		return false
	}
	c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.PolicyReady)
	return c != nil && c.Message == why && p.Status.ObservedGeneration == p.Generation
}

// ofSecrets asks each server what it says of a Secret.
func (w *world) ofSecrets(t *testing.T, caller *direct) map[string]answer {
	t.Helper()
	out := map[string]answer{}
	for pod, address := range w.addresses(t) {
		got, err := caller.ask(t.Context(), address, review(t, "Secret", work))
		if err != nil {
			t.Fatal(err)
		}
		out[pod] = got
	}
	return out
}

// scale has so many Pods run, and waits until they are ready and no others are left.
func (w *world) scale(t *testing.T, count int32) {
	t.Helper()
	patch := fmt.Sprintf(`{"spec":{"replicas":%d}}`, count)
	if _, err := w.client.AppsV1().Deployments(namespace).Patch(t.Context(), name, types.StrategicMergePatchType, []byte(patch),
		metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	until(t, fmt.Sprintf("%d Pods are ready, and no others are left", count), func() bool {
		d, err := w.client.AppsV1().Deployments(namespace).Get(t.Context(), name, metav1.GetOptions{})
		all, problem := w.client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=server"})
		return err == nil && problem == nil && d.Status.ObservedGeneration == d.Generation && d.Status.ReadyReplicas == count && len(all.Items) == int(count)
	})
}
