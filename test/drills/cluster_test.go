package drills

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
)

// putBinary lets processes of the release start; takeBinary keeps them from it.
func (w *world) putBinary() error {
	err := os.Symlink(w.binary, w.file("portcullis"))
	if os.IsExist(err) {
		return nil
	}
	return err
}

func (w *world) takeBinary() error { return os.Remove(w.file("portcullis")) }

// killAll crashes every server at once, and none starts again until revive.
func (w *world) killAll(t *testing.T) {
	t.Helper()
	if err := w.takeBinary(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.putBinary() })
	for _, pod := range w.pods(t) {
		w.signal(t, pod.Name, syscall.SIGKILL)
	}
}

// revive lets the servers start again, as they do by themselves.
func (w *world) revive(t *testing.T) {
	t.Helper()
	if err := w.putBinary(); err != nil {
		t.Fatal(err)
	}
}

func (w *world) signal(t *testing.T, pod string, signal syscall.Signal) {
	t.Helper()
	if err := w.node.Signal(namespace, pod, signal); err != nil {
		t.Fatal(err)
	}
}

// pods are the servers that are not about to go.
func (w *world) pods(t *testing.T) (out []corev1.Pod) {
	t.Helper()
	list, err := w.client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=server"})
	if err != nil {
		t.Fatal(err)
	}
	for _, pod := range list.Items {
		if pod.DeletionTimestamp == nil {
			out = append(out, pod)
		}
	}
	return out
}

// settled waits until nothing moves: the Deployment is rolled out, no other Pod is left, every replica decides by team, its status says so,
// and it is enforced.
func (w *world) settled(t *testing.T) {
	t.Helper()
	until(t, "three replicas are ready, and no other is left", func() bool {
		d, err := w.client.AppsV1().Deployments(namespace).Get(t.Context(), name, metav1.GetOptions{})
		if err != nil || !rolledOut(d) {
			return false
		}
		all, err := w.client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=server"})
		return err == nil && len(all.Items) == replicas
	})
	caller, question := w.asAPIServer(t), review(t, "ConfigMap", work)
	until(t, "each replica decides by team", func() bool {
		pods := w.pods(t)
		for _, pod := range pods {
			instance, err := w.node.Instance(namespace, pod.Name, "")
			if err != nil || !ready(pod) {
				return false
			}
			got, err := caller.ask(t.Context(), instance.Address(8443), question)
			if err != nil || !strings.HasPrefix(got.message(), "team: ") {
				return false
			}
		}
		return len(pods) == replicas
	})
	w.ready(t, "team")
	until(t, "team is enforced with Fail", func() bool {
		v, err := w.client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Get(t.Context(), name, metav1.GetOptions{})
		return err == nil && len(v.Webhooks) > 0 && strings.HasPrefix(v.Webhooks[0].Name, "enforce.") && *v.Webhooks[0].FailurePolicy == "Fail" &&
			refusedBy(w.configMap(t.Context(), false), "team")
	})
}

func ready(pod corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

func rolledOut(d *appsv1.Deployment) bool {
	s := d.Status
	return s.ObservedGeneration == d.Generation && s.UpdatedReplicas == replicas && s.Replicas == replicas && s.AvailableReplicas == replicas
}

// ready waits until every replica serves the Policy as it is now.
func (w *world) ready(t *testing.T, policy string) {
	t.Helper()
	until(t, "every replica serves "+policy, func() bool {
		p := w.policy(t.Context(), policy)
		return p != nil && p.Status.ObservedGeneration == p.Generation && p.Status.Replicas == fmt.Sprintf("%d/%d", replicas, replicas) &&
			meta.IsStatusConditionTrue(p.Status.Conditions, v1alpha1.PolicyReady)
	})
}

func policyResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: v1alpha1.Group, Version: "v1alpha1", Resource: "policies"}
}

// policy reads a Policy; nil is none.
func (w *world) policy(ctx context.Context, name string) *v1alpha1.Policy {
	object, err := w.dynamic.Resource(policyResource()).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil
	}
	text, err := object.MarshalJSON()
	p := &v1alpha1.Policy{}
	if err != nil || yaml.Unmarshal(text, p) != nil {
		return nil
	}
	return p
}

// apply makes or changes one Policy.
func (w *world) apply(ctx context.Context, text string) error {
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &object.Object); err != nil {
		return err
	}
	_, err := w.dynamic.Resource(policyResource()).Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: "drills", Force: true})
	return err
}

// put applies a Policy for the length of a drill, and waits until every replica serves it.
func (w *world) put(t *testing.T, policy, text string) {
	t.Helper()
	until(t, policy+" is accepted", func() bool {
		err := w.apply(t.Context(), text)
		if err != nil && !apierrors.IsInternalError(err) {
			t.Fatal(err)
		}
		return err == nil
	})
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if err := w.dynamic.Resource(policyResource()).Delete(ctx, policy, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			t.Error(err)
		}
	})
	w.ready(t, policy)
}

// restart replaces every Pod by a new one, one after the other, and returns when the old ones have gone.
func (w *world) restart(t *testing.T) {
	t.Helper()
	patch := fmt.Sprintf(`{"spec":{"template":{"metadata":{"annotations":{"drills/restarted":%q}}}}}`, time.Now().Format(time.RFC3339Nano))
	w.change(t, patch)
}

// change patches the Deployment and waits until it is rolled out.
func (w *world) change(t *testing.T, patch string) {
	t.Helper()
	if _, err := w.client.AppsV1().Deployments(namespace).Patch(t.Context(), name, types.StrategicMergePatchType, []byte(patch),
		metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	until(t, "the old replicas have gone", func() bool {
		d, err := w.client.AppsV1().Deployments(namespace).Get(t.Context(), name, metav1.GetOptions{})
		if err != nil || !rolledOut(d) {
			return false
		}
		all, err := w.client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=server"})
		return err == nil && len(all.Items) == replicas
	})
}

// leader is the Pod that leads, empty if none does.
func (w *world) leader(ctx context.Context) string {
	lease, err := w.client.CoordinationV1().Leases(namespace).Get(ctx, name+"-leader", metav1.GetOptions{})
	if err != nil || lease.Spec.HolderIdentity == nil {
		return ""
	}
	pod, _, _ := strings.Cut(*lease.Spec.HolderIdentity, "_")
	return pod
}

// tellLogs shows the end of what servers and API server wrote.
func (w *world) tellLogs(t *testing.T) {
	logs, _ := filepath.Glob(filepath.Join(w.node.Logs(), "*.log"))
	if len(logs) > 2*replicas {
		logs = logs[len(logs)-2*replicas:]
	}
	for _, log := range append(logs, filepath.Join(w.Logs(), "kube-apiserver.log")) {
		text, _ := os.ReadFile(log)
		lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
		t.Logf("the end of %s:\n%s", filepath.Base(log), strings.Join(lines[max(0, len(lines)-20):], "\n"))
	}
}

// until asks until the answer is yes. It is not for what has to be quick: it fails only when patience is over.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never happened that %s", what)
		}
	}
}

// holds asks for a while whether something is so all the time.
func holds(t *testing.T, what string, for_ time.Duration, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(for_); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if !ok() {
			t.Fatalf("it did not stay so that %s", what)
		}
	}
}
