package registration

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portcullis-dev/portcullis/test/cluster"
)

func TestKeeper(t *testing.T) {
	p := clients(t, cluster.StartT(t, cluster.Options{}))
	for name, test := range map[string]func(*testing.T, *world){
		"ignore-first": testIgnoreFirst,
		"drift":        testDrift,
		"contest":      testContest,
		"agreement":    testAgreement,
		"one-waits":    testOneWaits,
		"in-force":     testInForce,
		"whose":        testWhose,
		"ownerless":    testOwnerless,
		"unlock":       testUnlock,
		"unowned":      testUnlockedWithoutOwner,
		"next-leader":  testNextLeader,
		"authorities":  testAuthorities,
		"injected":     testInjected,
		"owner":        testOwner,
		"fence":        testFence,
		"rights":       testRights,
		"reached":      testReached,
		"doubt":        testDoubt,
		"silent":       testSilent,
		"unknown":      testUnknown,
		"conflicts":    testConflicts,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newWorld(t, p, name))
		})
	}
}

// Until a probe was answered nothing can be refused for want of an answer.
func testIgnoreFirst(t *testing.T, w *world) {
	w.server.broken.Store(true)
	w.run(t)
	eventually(t, "an unanswered probe", func(context.Context) (bool, error) {
		return testutil.ToFloat64(w.metrics.probes.WithLabelValues(probeUnanswered)) > 0, nil
	})
	hook, err := w.enforce(t.Context())
	if err != nil || hook == nil || *hook.FailurePolicy != admissionregistrationv1.Ignore {
		t.Fatalf("before any probe was answered: %+v, %v", hook, err)
	}
	if open, keeping := testutil.ToFloat64(w.metrics.open), testutil.ToFloat64(w.metrics.keeping); open != 1 || keeping != 1 {
		t.Errorf("the metrics say open %v, keeping %v", open, keeping)
	}
	if err := w.pod(t.Context(), w.options.Name, "good"); err != nil {
		t.Errorf("a Pod is refused although the registration ignores failures: %v", err)
	}
	eventually(t, "it is reported", func(context.Context) (bool, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.standing.Weak && w.standing.Err != nil && len(w.standing.Asked) == 0, nil
	})
	w.server.broken.Store(false)
	w.keeper.Wake()
	w.until(t, "Fail", fails)
	w.untilJudged(t)
	if testutil.ToFloat64(w.metrics.open) != 0 {
		t.Error("the metrics say that it is open")
	}
	w.server.broken.Store(true)
	if err := w.pod(t.Context(), w.options.Name, "good"); err == nil || !strings.Contains(err.Error(), "failed calling webhook") {
		t.Errorf("a Pod passes although nobody judged it: %v", err)
	}
	w.server.broken.Store(false)
	o := w.options
	o.Bundle = w.server.ca
	answer, err := Probe(t.Context(), w.dynamic, o, Validate)
	if err != nil || !strings.HasPrefix(answer.Replica, "replica-") || answer.Bundle != Fingerprint(w.server.ca) {
		t.Errorf("the probe is answered with %+v, %v", answer, err)
	}
	o.Bundle = stranger(t)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	const late = "the API server did not take up the registration of the validate webhook in time: "
	if _, err := Probe(ctx, w.dynamic, o, Validate); err == nil || !strings.HasPrefix(err.Error(), late) {
		t.Errorf("a probe of what is not registered: %v", err)
	}
}

// What somebody else does to the configurations does not last.
func testDrift(t *testing.T, w *world) {
	w.run(t)
	w.until(t, "Fail", fails)
	at := w.place(Validate)
	wanted, err := at.get(t.Context(), w.dynamic)
	if err != nil {
		t.Fatal(err)
	}
	const hook = `"name":"enforce.validate.portcullis.dev"`
	for _, step := range []struct{ what, kind, body string }{
		{"the policy for failures", "json", `[{"op":"replace","path":"/webhooks/0/failurePolicy","value":"Ignore"}]`},
		{"all conditions", "json", `[{"op":"remove","path":"/webhooks/0/matchConditions"}]`},
		{"all webhooks", "json", `[{"op":"replace","path":"/webhooks","value":[]}]`},
		{"a selector of labels", "json", `[{"op":"add","path":"/webhooks/0/objectSelector/matchLabels","value":{"a":"b"}}]`},
		{"an address", "json", `[{"op":"replace","path":"/webhooks/0/clientConfig/url","value":"https://127.0.0.1:1/validate"}]`},
		{"a condition of one's own", "apply", `{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingWebhookConfiguration",` +
			`"webhooks":[{` + hook + `,"matchConditions":[{"name":"never","expression":"false"}]}]}`},
		{"part of a webhook", "apply", `{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingWebhookConfiguration",` +
			`"webhooks":[{` + hook + `,"failurePolicy":"Ignore"}]}`},
	} {
		before := testutil.ToFloat64(w.metrics.drift.WithLabelValues("validating"))
		kind := types.JSONPatchType
		if step.kind == "apply" {
			kind = types.ApplyPatchType
		}
		w.patch(t, at, kind, step.body)
		eventually(t, step.what+" is mended and counted", func(ctx context.Context) (bool, error) {
			live, err := at.get(ctx, w.dynamic)
			return err == nil && sameWebhooks(live, wanted) && testutil.ToFloat64(w.metrics.drift.WithLabelValues("validating")) > before, err
		})
	}
	for _, p := range places(w.options.Name) {
		before := testutil.ToFloat64(w.metrics.drift.WithLabelValues(p.label))
		if err := p.client(w.dynamic).Delete(t.Context(), p.name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the deletion of the "+p.String()+" is mended and counted", func(ctx context.Context) (bool, error) {
			live, err := p.get(ctx, w.dynamic)
			return live != nil && len(live.Webhooks) > 0 && testutil.ToFloat64(w.metrics.drift.WithLabelValues(p.label)) > before, err
		})
	}
	w.untilJudged(t)
	if n := testutil.ToFloat64(w.metrics.drift.WithLabelValues("policies")); n != 1 {
		t.Errorf("what was deleted once is counted %v times", n)
	}
	// Who owns a part of a webhook does not keep it when the policy goes: that part would not be a valid webhook.
	w.patch(t, at, types.ApplyPatchType, `{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingWebhookConfiguration",`+
		`"webhooks":[{`+hook+`,"failurePolicy":"Fail"}]}`)
	w.set(func() { w.wanted = asking{nil, "r2"} })
	w.until(t, "nothing", func(hook *admissionregistrationv1.MutatingWebhook) bool { return hook == nil })
}

// lines keep what was logged.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

// Somebody who does not give in is answered ever more slowly, and named.
func testContest(t *testing.T, w *world) {
	w.still = time.Now()
	w.run(t)
	w.until(t, "Fail", fails)
	at := w.place(Validate)
	weaken := func() {
		t.Helper()
		w.patch(t, at, types.JSONPatchType, `[{"op":"replace","path":"/webhooks/0/failurePolicy","value":"Ignore"}]`)
	}
	contested := func() float64 { return testutil.ToFloat64(w.metrics.contested.WithLabelValues("validating")) }
	for range mendBurst {
		weaken()
		w.until(t, "it is mended", fails)
	}
	if contested() != 0 {
		t.Error("a few changes are a fight")
	}
	weaken()
	eventually(t, "it is told", func(context.Context) (bool, error) { return contested() == 1, nil })
	w.settle(t)
	w.settle(t)
	if hook, err := w.enforce(t.Context()); err != nil || fails(hook) {
		t.Errorf("it is mended without an end: %v", err)
	}
	const told = `level=ERROR msg="somebody else keeps changing or deleting a webhook configuration; it is mended more slowly from now on: have them leave it alone" ` +
		`configuration="ValidatingWebhookConfiguration contest" by=somebody every=10s`
	if n := w.log.count(told); n != 1 {
		t.Errorf("it is logged %d times", n)
	}
	if n := testutil.ToFloat64(w.metrics.drift.WithLabelValues("validating")); n != mendBurst {
		t.Errorf("it was mended %v times", n)
	}
	// What policies want anew does not wait for that.
	w.set(func() { w.wanted = asking{[]Interest{w.interest("secrets")}, "r2"} })
	w.until(t, "secrets", asksAbout("secrets"))
	weaken()
	w.settle(t)
	w.set(func() { w.clockAdds += mendEvery })
	w.until(t, "it is mended once more", fails)
	if contested() != 1 {
		t.Error("it counts as over at once")
	}
	w.set(func() { w.clockAdds += 2 * mendEvery })
	eventually(t, "it is over", func(context.Context) (bool, error) { return contested() == 0, nil })
	// Another configuration is nobody's fight.
	if err := w.place(Mutate).client(w.dynamic).Delete(t.Context(), w.options.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other one is mended", func(ctx context.Context) (bool, error) {
		live, err := w.place(Mutate).get(ctx, w.dynamic)
		return live != nil, err
	})
}
