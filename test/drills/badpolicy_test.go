package drills

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

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
// it was, the status tells, and a good version is taken up. A good change, which is seen at once, is the control.
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
	t.Run("servers that start with it have no good version", func(t *testing.T) {
		w.portcullis(t, "unlock", "--for=1h", "--reason=a drill")
		until(t, "the bad policy is in the cluster", func() bool { return w.apply(t.Context(), bad) == nil })
		w.portcullis(t, "lock")
		w.restart(t)
		until(t, "the status tells", func() bool {
			c := meta.FindStatusCondition(w.policy(t.Context(), "counted").Status.Conditions, v1alpha1.PolicyReady)
			return c != nil && c.Message == "no version is served, because this one is faulty and there is no earlier one"
		})
		w.withoutEarlier(t, caller)
	})
}

// withoutEarlier notes what becomes of what the policy had refused, and that the others still decide.
func (w *world) withoutEarlier(t *testing.T, caller *direct) {
	t.Helper()
	until(t, "team is enforced", func() bool { return refusedBy(w.configMap(t.Context(), false), "team") })
	for pod, address := range w.addresses(t) {
		got, err := caller.ask(t.Context(), address, review(t, "Secret", work))
		if err != nil {
			t.Fatal(err)
		}
		figure(t, "F11: %s, started with the bad policy in the cluster: what it had refused is allowed: %v", pod, got.response.Allowed)
	}
}
