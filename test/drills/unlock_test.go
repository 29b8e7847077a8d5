package drills

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestUnlock (F4): nobody runs and Fail stands in the way. One command opens the cluster, which needs nothing but the API server; servers
// that come back leave it open; another command closes it again.
func TestUnlock(t *testing.T) {
	w := start(t)
	dead := w.holder(t.Context())
	w.killAll(t)
	until(t, "control: while it is locked nothing passes", func() bool { return unanswered(w.configMap(t.Context(), true)) })
	began := time.Now()
	w.portcullis(t, "unlock", "--for=1h", "--reason=a drill")
	until(t, "everything passes", func() bool { return w.configMap(t.Context(), false) == nil })
	figure(t, "F4: 1 command, and %v after it was given everything passes", time.Since(began).Round(time.Millisecond))
	events, err := w.client.CoreV1().Events(metav1.NamespaceDefault).List(t.Context(), metav1.ListOptions{FieldSelector: "reason=Unlocked"})
	if err != nil || len(events.Items) == 0 || !strings.Contains(events.Items[0].Message, "a drill") {
		t.Errorf("no event tells who unlocked and why: %v, %+v", err, events)
	}

	w.revive(t)
	until(t, "three replicas serve again", func() bool {
		d, err := w.client.AppsV1().Deployments(namespace).Get(t.Context(), name, metav1.GetOptions{})
		return err == nil && rolledOut(d)
	})
	until(t, "one of them leads", func() bool { return w.leads(t.Context()) && w.holder(t.Context()) != dead })
	holds(t, "everything passes while it is unlocked", 3*time.Second, func() bool { return w.configMap(t.Context(), false) == nil })
	began = time.Now()
	w.portcullis(t, "lock")
	until(t, "team is enforced again", func() bool { return refusedBy(w.configMap(t.Context(), false), "team") })
	figure(t, "F4: 1 command, and %v after it was given team is enforced again", time.Since(began).Round(time.Millisecond))
}

// portcullis runs the command line as the administrator.
func (w *world) portcullis(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), w.binary, append(args, "--kubeconfig="+w.Kubeconfig, "--name="+name)...).CombinedOutput()
	if err != nil {
		t.Fatalf("portcullis %s: %v: %s", strings.Join(args, " "), err, out)
	}
}
