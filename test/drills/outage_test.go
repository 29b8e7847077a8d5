package drills

import (
	"context"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// lenient lets pass what nobody can be asked about.
const lenient = `
apiVersion: portcullis.dev/v1alpha1
kind: Policy
metadata: {name: lenient}
spec:
  onError: allow
  match: {resources: [services], namespaces: [work]}
  rego: |
    package lenient

    deny contains "a Service needs the label team" if not input.request.object.metadata.labels.team
`

func (w *world) service(ctx context.Context) error {
	_, err := w.client.CoreV1().Services(work).Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "x-"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}},
	}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err
}

// TestOutage (F1): all replicas are killed under load. What a policy with Fail concerns is refused, what one with Ignore concerns is
// admitted, each without exception, until they are back. That both are refused by their policies before and after is the control.
func TestOutage(t *testing.T) {
	w := start(t)
	w.put(t, "lenient", lenient)
	until(t, "control: both policies refuse", func() bool {
		return refusedBy(w.service(t.Context()), "lenient") && refusedBy(w.configMap(t.Context(), false), "team")
	})
	w.killAll(t)
	until(t, "nobody answers", func() bool { return unanswered(w.configMap(t.Context(), true)) && w.service(t.Context()) == nil })
	load := begin(t, 4, 10*time.Millisecond, func(ctx context.Context, n int) error {
		if n%2 == 0 {
			if err := w.service(ctx); err != nil {
				return fmt.Errorf("with Ignore: %w", err)
			}
			return nil
		}
		if err := w.configMap(ctx, true); !unanswered(err) {
			return fmt.Errorf("with Fail: %w", err)
		}
		return nil
	})
	time.Sleep(time.Duration(rounds(5, 60)) * time.Second)
	got := load.end()
	if got.failed > 0 || got.asked < 100 {
		t.Errorf("nobody runs: %v", got)
	}
	figure(t, "F1: %d replicas dead for %ds, half of the requests under Fail and half under Ignore, as they should: %v", replicas, rounds(5, 60), got)
	began := time.Now()
	w.revive(t)
	until(t, "control: both policies refuse again", func() bool {
		return refusedBy(w.service(t.Context()), "lenient") && refusedBy(w.configMap(t.Context(), false), "team")
	})
	figure(t, "F1: both policies refuse again %v after the servers may start", time.Since(began).Round(time.Millisecond))
}
