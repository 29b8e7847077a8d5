package drills

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
)

func counted(n int) string {
	return fmt.Sprintf(`
apiVersion: portcullis.dev/v1alpha1
kind: Policy
metadata: {name: counted}
spec:
  match: {resources: [secrets], namespaces: [work]}
  rego: |
    package counted

    deny contains "push %d" if true
`, n)
}

// TestPushes (F19): a policy is changed again and again. Every replica serves each change, none goes back to an earlier one, and the status
// is not Ready before all of them serve it, which a replica that stands still shows.
func TestPushes(t *testing.T) {
	w := start(t)
	w.put(t, "counted", counted(0))
	caller, where, question := w.asAPIServer(t), w.addresses(t), review(t, "Secret", work)
	served := func(pod string) int {
		got, err := caller.ask(t.Context(), where[pod], question)
		n := -1
		if err == nil {
			_, text, _ := strings.Cut(got.message(), "counted: push ")
			_, _ = fmt.Sscan(text, &n)
		}
		if n < 0 {
			t.Fatalf("%s answers %+v, %v", pod, got, err)
		}
		return n
	}
	var skews []time.Duration
	newest := map[string]int{}
	count := rounds(5, 50)
	for n := 1; n <= count; n++ {
		if err := w.apply(t.Context(), counted(n)); err != nil {
			t.Fatal(err)
		}
		var first, last time.Time
		until(t, fmt.Sprintf("every replica serves push %d", n), func() bool {
			all := true
			for pod := range where {
				now := served(pod)
				if now < newest[pod] {
					t.Errorf("%s goes back from push %d to %d", pod, newest[pod], now)
				}
				newest[pod] = now
				all = all && now == n
				if now == n && first.IsZero() {
					first = time.Now()
				}
			}
			last = time.Now()
			return all
		})
		skews = append(skews, last.Sub(first))
	}
	w.ready(t, "counted")
	slices.Sort(skews)
	figure(t, "F19: %d pushes; between the first and the last replica that serves one: median %v, 99th percentile %v (asked every 50 ms)", count,
		skews[len(skews)/2].Round(time.Millisecond), skews[len(skews)*99/100].Round(time.Millisecond))

	t.Run("control: one stands still", func(t *testing.T) {
		leader := w.leading(t)
		var still string
		for pod := range where {
			if pod != leader {
				still = pod
			}
		}
		w.signal(t, still, syscall.SIGSTOP)
		t.Cleanup(func() { _ = w.node.Signal(namespace, still, syscall.SIGCONT) })
		until(t, "the push is accepted", func() bool { return w.apply(t.Context(), counted(count+1)) == nil }) // unless the one that stands still is asked
		message := ""
		until(t, "the status tells that one does not serve it", func() bool {
			p := w.policy(t.Context(), "counted")
			c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.PolicyReady)
			if c != nil {
				message = c.Message
			}
			return p.Status.ObservedGeneration == p.Generation && message == "2 of 3 replicas serve it"
		})
		if err := w.node.Signal(namespace, still, syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		w.ready(t, "counted")
		figure(t, "F19 control: while one replica stands still the status says %q", message)
	})
}
