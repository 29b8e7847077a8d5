package registration

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

// Less is asked at once, more only when all replicas can answer.
func testAgreement(t *testing.T, w *world) {
	w.wanted.Interests = []Interest{w.interest("pods", "secrets")}
	w.run(t)
	w.until(t, "both", asksAbout("pods", "secrets"))
	w.set(func() { w.wanted, w.disagree = asking{[]Interest{w.interest("configmaps", "pods")}, "r2"}, true })
	w.until(t, "less", asksAbout("pods"))
	if n := testutil.ToFloat64(w.metrics.held); n != 1 {
		t.Errorf("what is held back is %v", n)
	}
	w.set(func() { w.wanted = asking{[]Interest{w.interest("pods", "secrets")}, "r3"} })
	w.settle(t)
	if hook, err := w.enforce(t.Context()); err != nil || !asksAbout("pods")(hook) {
		t.Errorf("what was given up is asked again although not all replicas agree: %+v, %v", hook, err)
	}
	w.set(func() { w.disagree = false })
	w.until(t, "all", asksAbout("pods", "secrets"))
	eventually(t, "nothing held back", func(context.Context) (bool, error) { return testutil.ToFloat64(w.metrics.held) == 0, nil })
	w.set(func() { w.wanted, w.unknown = asking{nil, "r4"}, true })
	w.settle(t)
	if hook, err := w.enforce(t.Context()); err != nil || !asksAbout("pods", "secrets")(hook) {
		t.Errorf("while nothing is known of the policies the webhook is %+v, %v", hook, err)
	}
	w.set(func() { w.unknown = false })
	w.until(t, "nothing", func(hook *admissionregistrationv1.MutatingWebhook) bool { return hook == nil })
}

// A policy which some replica does not serve does not hold up the others.
func testOneWaits(t *testing.T, w *world) {
	w.run(t)
	w.until(t, "pods", asksAbout("pods"))
	w.set(func() {
		w.wanted, w.disagree = asking{[]Interest{w.interest("configmaps", "pods")}, "r2"}, true
		w.others = []Wish{{Policy: "other", Version: "1", Interests: []Interest{w.interest("secrets")}, Served: true}}
	})
	w.until(t, "the other's", asksAbout("pods", "secrets"))
	if n := testutil.ToFloat64(w.metrics.held); n != 1 {
		t.Errorf("what is held back is %v", n)
	}
	w.untilAsked(t, map[string]string{"other": "1"})
	w.set(func() { w.others[0].Served = false })
	w.settle(t)
	if hook, err := w.enforce(t.Context()); err != nil || !asksAbout("pods", "secrets")(hook) {
		t.Errorf("what was registered goes when a replica comes that does not serve it yet: %+v, %v", hook, err)
	}
	w.set(func() { w.disagree = false; w.others[0].Served = true })
	w.until(t, "all", asksAbout("configmaps", "pods", "secrets"))
	w.untilAsked(t, map[string]string{"names": "r2", "other": "1"})
}

func (w *world) untilAsked(t *testing.T, want map[string]string) {
	t.Helper()
	eventually(t, "it is reported what is asked about", func(context.Context) (bool, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		return maps.Equal(w.standing.Asked, want) && w.standing.Err == nil, nil
	})
}

// From the moment at which a policy is reported as asked about the API server asks.
func testInForce(t *testing.T, w *world) {
	w.wanted.Interests = nil
	w.run(t)
	w.untilAsked(t, map[string]string{"names": "r1"})
	passed := 0
	w.set(func() {
		w.reported = func(s Standing) {
			if strings.HasPrefix(s.Asked["names"], "on-") && s.Asked["names"] != w.standing.Asked["names"] && w.pod(t.Context(), w.options.Name, "bad") == nil {
				passed++
			}
		}
	})
	for round := range 20 {
		version := fmt.Sprint("on-", round)
		w.set(func() { w.wanted = asking{[]Interest{w.interest("pods")}, version} })
		w.untilAsked(t, map[string]string{"names": version})
		w.set(func() { w.wanted = asking{nil, "off"} })
		w.untilAsked(t, map[string]string{"names": "off"})
	}
	if passed > 0 {
		t.Errorf("in %d of 20 rounds a bad Pod passes after it was reported that the API server asks", passed)
	}
	// A probe of a registration which differs in what is asked about alone is not answered.
	o := w.options
	o.Bundle = w.server.ca
	if answer, err := w.answers(t, o.phase(Validate, nil)); err != nil || answer.Replica == "" {
		t.Errorf("the registration there is: %+v, %v", answer, err)
	}
	if answer, err := w.answers(t, o.phase(Validate, []Interest{w.interest("configmaps")})); err == nil || answer.Replica != "" {
		t.Errorf("one that is not there: %+v, %v", answer, err)
	}
	w.server.broken.Store(true)
	w.set(func() { w.bundle = append(slices.Clone(w.server.ca), stranger(t)...) }) // to be proven anew
	eventually(t, "it is reported that nobody answers", func(context.Context) (bool, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		s := w.standing
		return s.Err != nil && strings.HasPrefix(s.Err.Error(), "the probe of the ") && len(s.Asked) == 0, nil
	})
	w.server.broken.Store(false)
	w.untilAsked(t, map[string]string{"names": "off"})
	if _, err := Unlock(t.Context(), w.dynamic, w.options.Name, time.Hour, "a reason", "alice", time.Now()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is reported that the cluster is unlocked", func(context.Context) (bool, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.standing.Unlocked != nil && w.standing.Unlocked.By == "alice" && len(w.standing.Asked) == 0, nil
	})
}

// answers probes a registration.
func (w *world) answers(t *testing.T, hooks []admissionregistrationv1.MutatingWebhook) (Answer, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	label := probed(&object{Webhooks: hooks}, Validate)
	return probing(ctx, Validate, func(ctx context.Context) (Answer, bool, error) {
		return probeOnce(ctx, w.dynamic, w.options.Namespace, Validate, label)
	})
}
