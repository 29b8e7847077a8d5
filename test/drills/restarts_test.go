package drills

import (
	"slices"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestRestarts (F8): every replica is replaced, over and over, while the API server is asked; nothing fails. Servers that do not drain, or
// that crash, are seen to fail.
func TestRestarts(t *testing.T) {
	w := start(t)
	load := w.load(t)
	count := rounds(2, 20)
	for range count {
		w.restart(t)
	}
	got := load.end()
	if got.failed > 0 || got.asked < 100 {
		t.Errorf("%d rolling restarts: %v", count, got)
	}
	figure(t, "F8: %d rolling restarts of %d replicas: %v", count, replicas, got)

	t.Run("control: without a drain requests fail", func(t *testing.T) {
		w.drain.Store("0s")
		w.replace(t, w.pods(t)[0])
		w.drain.Store(usualDrain)
		load := w.flood(t)
		stops := 0
		// Each Pod deleted before the last one is one that does not drain.
		for ; stops < 10 && load.now().failed == 0; stops++ {
			undrained := w.newest(t)
			w.drain.Store("0s")
			w.replace(t, undrained)
		}
		w.drain.Store(usualDrain)
		got := load.end()
		if got.failed == 0 {
			t.Errorf("%d servers ended without a drain, and nothing failed: the drill above proves nothing", stops)
		}
		figure(t, "F8 control: %d servers ended with --drain 0s: %v", stops, got)
		w.replace(t, w.newest(t))
	})
	t.Run("control: crashes make requests fail", func(t *testing.T) {
		w.settled(t)
		load := w.flood(t)
		load.moves(t, 50)
		w.signal(t, w.pods(t)[0].Name, syscall.SIGKILL)
		load.moves(t, 200)
		got := load.end()
		if got.failed == 0 {
			t.Error("a server was killed under load, and nothing failed: the drill above proves nothing")
		}
		figure(t, "F8 control: one server killed: %v", got)
	})
}

func (w *world) replace(t *testing.T, pod corev1.Pod) {
	t.Helper()
	w.replaceNamed(t, pod.Name)
}

// replaceNamed deletes a Pod and waits until another is ready in its place and it has gone.
func (w *world) replaceNamed(t *testing.T, pod string) {
	t.Helper()
	if err := w.client.CoreV1().Pods(namespace).Delete(t.Context(), pod, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	until(t, "another Pod has taken the place", func() bool {
		d, err := w.client.AppsV1().Deployments(namespace).Get(t.Context(), name, metav1.GetOptions{})
		if err != nil || !rolledOut(d) {
			return false
		}
		all, err := w.client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=server"})
		return err == nil && len(all.Items) == replicas && !slices.ContainsFunc(all.Items, func(p corev1.Pod) bool { return p.Name == pod })
	})
}

// newest is the Pod made last.
func (w *world) newest(t *testing.T) corev1.Pod {
	t.Helper()
	pods := w.pods(t)
	out := pods[0]
	for _, pod := range pods[1:] {
		if out.CreationTimestamp.Before(&pod.CreationTimestamp) {
			out = pod
		}
	}
	return out
}
