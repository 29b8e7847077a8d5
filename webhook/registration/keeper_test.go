package registration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/portcullis-dev/portcullis/test/cluster"
)

// asking is what the policy wants that all tests begin with.
type asking struct {
	Interests []Interest
	Revision  string
}

// world is what a Keeper lives in, and what a test changes.
type world struct {
	*plane
	server  *server
	options Options
	metrics *Metrics
	keeper  *Keeper
	stop    func()

	mu        sync.Mutex
	wanted    asking
	others    []Wish
	disagree  bool
	standing  Standing
	reported  func(Standing) // called before anybody else hears of it
	owner     func(context.Context) (*metav1.OwnerReference, error)
	unknown   bool
	bundle    []byte
	noBundle  bool // nothing is known of it yet
	injected  bool // the bundle is left to others
	clockAdds time.Duration
	still     time.Time // the clock stands still here
	log       lines
	looks     int // how often the Keeper asked what is wanted
}

func newWorld(t *testing.T, p *plane, name string) *world {
	t.Helper()
	s := newServer(t)
	w := &world{plane: p, server: s, bundle: s.ca, options: Options{Name: name, Namespace: name + "-system", URL: s.URL}}
	p.namespace(t, w.options.Namespace)
	p.namespace(t, name)
	w.wanted = asking{[]Interest{w.interest("pods")}, "r1"}
	t.Cleanup(func() {
		w.stop()
		w.withdraw(t)
	})
	return w
}

// interest is in resources of the core group, in the namespace of the test alone: tests share a cluster.
func (w *world) interest(resources ...string) Interest {
	i := Interest{Phase: Validate, Operations: writes(), Namespaces: []string{w.options.Name}, Fail: true}
	for _, resource := range resources {
		i.Resources = append(i.Resources, Resource{"", resource, ""})
	}
	return i
}

// run starts a Keeper, as the replica does that becomes the leader.
func (w *world) run(t *testing.T) {
	t.Helper()
	var err error
	if w.metrics, err = NewMetrics(prometheus.NewRegistry()); err != nil {
		t.Fatal(err)
	}
	locked := func(read func()) {
		w.mu.Lock()
		defer w.mu.Unlock()
		read()
	}
	inputs := Inputs{
		Wanted: func() (out []Wish, err error) {
			locked(func() {
				wish := Wish{Policy: "names", Version: w.wanted.Revision, Interests: w.wanted.Interests, Served: !w.disagree}
				if out, w.looks = append([]Wish{wish}, w.others...), w.looks+1; w.unknown {
					err = errors.New("the policies were not read yet")
				}
			})
			return
		},
		Owner: w.owner,
		Report: func(s Standing) {
			locked(func() {
				if w.reported != nil {
					w.reported(s)
				}
				w.standing = s
			})
		},
		Bundle: func() (pem []byte, ok bool) { locked(func() { pem, ok = w.bundle, !w.noBundle }); return },
	}
	if w.injected {
		inputs.Bundle = nil
	}
	now := func() (out time.Time) {
		locked(func() {
			if out = w.still; out.IsZero() {
				out = time.Now()
			}
			out = out.Add(w.clockAdds)
		})
		return
	}
	w.keeper = NewKeeper(w.dynamic, w.options, inputs, w.metrics, slog.New(slog.NewTextHandler(io.MultiWriter(logWriter{t}, &w.log), nil)), now)
	w.lead(t)
}

// lead has the Keeper run until stop.
func (w *world) lead(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.keeper.Run(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

type logWriter struct{ t *testing.T }

func (w logWriter) Write(line []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(line)))
	return len(line), nil
}

// set changes something and tells the Keeper.
func (w *world) set(change func()) {
	w.mu.Lock()
	change()
	w.mu.Unlock()
	w.keeper.Wake()
}

// settle waits until the Keeper has done all that follows from what was set.
func (w *world) settle(t *testing.T) {
	t.Helper()
	looks := func() int {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.looks
	}
	for range 2 { // the first look may have begun before, and has ended when there is a second
		before := looks()
		w.keeper.Wake()
		eventually(t, "a look", func(context.Context) (bool, error) { return looks() > before, nil })
	}
}

func (w *world) place(phase Phase) place {
	all := places(w.options.Name)
	return all[slices.IndexFunc(all, func(p place) bool { return p.phase == phase })]
}

// enforce is the validating webhook with Fail as it is in the cluster, or nil.
func (w *world) enforce(ctx context.Context) (*admissionregistrationv1.MutatingWebhook, error) {
	live, err := w.place(Validate).get(ctx, w.dynamic)
	return live.webhook(enforceName(Validate)), err
}

// until waits for that webhook to be as said.
func (w *world) until(t *testing.T, what string, is func(*admissionregistrationv1.MutatingWebhook) bool) {
	t.Helper()
	eventually(t, what, func(ctx context.Context) (bool, error) {
		hook, err := w.enforce(ctx)
		return err == nil && is(hook), err
	})
}

func fails(hook *admissionregistrationv1.MutatingWebhook) bool {
	return hook != nil && *hook.FailurePolicy == admissionregistrationv1.Fail
}

func asksAbout(resources ...string) func(*admissionregistrationv1.MutatingWebhook) bool {
	return func(hook *admissionregistrationv1.MutatingWebhook) bool {
		return fails(hook) && len(hook.Rules) == 1 && slices.Equal(hook.Rules[0].Resources, resources)
	}
}

// untilJudged waits until the API server acts on the registration.
func (w *world) untilJudged(t *testing.T) {
	t.Helper()
	eventually(t, "a bad Pod is refused", func(ctx context.Context) (bool, error) {
		err := w.pod(ctx, w.options.Name, "bad")
		return err != nil && strings.Contains(err.Error(), `"enforce.validate.portcullis.dev" denied the request: names: bad name`), nil
	})
}

func (w *world) withdraw(t *testing.T) {
	t.Helper()
	for _, p := range places(w.options.Name) {
		// The test's context has ended when this is a clean-up.
		err := p.client(w.dynamic).Delete(context.WithoutCancel(t.Context()), p.name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			t.Error(err)
		}
	}
}

func (w *world) patch(t *testing.T, p place, kind types.PatchType, body string) {
	t.Helper()
	o := metav1.PatchOptions{FieldManager: "somebody"}
	if kind == types.ApplyPatchType {
		o.Force = new(true)
	}
	if _, err := p.client(w.dynamic).Patch(t.Context(), p.name, kind, []byte(body), o); err != nil {
		t.Fatal(err)
	}
}

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
		"unlock":       testUnlock,
		"next-leader":  testNextLeader,
		"authorities":  testAuthorities,
		"injected":     testInjected,
		"owner":        testOwner,
		"fence":        testFence,
		"rights":       testRights,
		"reached":      testReached,
		"unknown":      testUnknown,
		"conflicts":    testConflicts,
	} {
		t.Run(name, func(t *testing.T) { test(t, newWorld(t, p, name)) })
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

// While it cannot be told whose they are, the configurations stay whose they were, and none is made that would be nobody's.
func testWhose(t *testing.T, w *world) {
	role, err := w.client.RbacV1().ClusterRoles().Create(t.Context(),
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: w.options.Name}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	unknown := errors.New("the cluster does not say")
	var known atomic.Bool
	w.owner = func(context.Context) (*metav1.OwnerReference, error) {
		if !known.Load() {
			return nil, unknown
		}
		return &metav1.OwnerReference{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRole", Name: role.Name, UID: role.UID}, nil
	}
	w.run(t)
	eventually(t, "it is told why nothing is made", func(context.Context) (bool, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		const want = "the ValidatingWebhookConfiguration whose is not made, because it is not known with what it vanishes: the cluster does not say"
		return w.standing.Err != nil && w.standing.Err.Error() == want, nil
	})
	if live, err := w.place(Validate).get(t.Context(), w.dynamic); live != nil || err != nil {
		t.Errorf("a configuration is made that is nobody's: %v", err)
	}
	known.Store(true)
	w.until(t, "Fail", fails)
	w.untilAsked(t, map[string]string{"names": "r1"})
	w.stop()
	known.Store(false)
	w.wanted = asking{[]Interest{w.interest("secrets")}, "r2"}
	w.run(t) // the next leader, which is not told either
	w.until(t, "what policies want now", asksAbout("secrets"))
	for _, p := range places(w.options.Name) {
		live, err := p.get(t.Context(), w.dynamic)
		if err != nil || len(live.OwnerReferences) != 1 || live.OwnerReferences[0].UID != role.UID {
			t.Errorf("the %s is nobody's any more: %+v, %v", p, live.OwnerReferences, err)
		}
	}
}

func testUnlock(t *testing.T, w *world) {
	w.run(t)
	w.until(t, "Fail", fails)
	w.untilJudged(t)
	open, err := Unlock(t.Context(), w.dynamic, w.options.Name, time.Hour, "the registry is down", "alice", time.Now())
	if err != nil || open.By != "alice" || open.Reason != "the registry is down" || time.Until(open.Until) > time.Hour {
		t.Fatalf("unlocked %+v: %v", open, err)
	}
	passes := func(ctx context.Context) (bool, error) { return w.pod(ctx, w.options.Name, "bad") == nil, nil }
	eventually(t, "a bad Pod passes", passes)
	eventually(t, "the metric", func(context.Context) (bool, error) { return testutil.ToFloat64(w.metrics.unlocked) == 1, nil })

	// Who puts a webhook back, or takes one of the configurations away, changes nothing.
	plan := Plan(w.wanted.Interests, w.options)
	plan.Validating.Name = w.options.Name
	objects, err := plan.objects()
	if err != nil {
		t.Fatal(err)
	}
	live, err := w.place(Validate).get(t.Context(), w.dynamic)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.place(Validate).apply(t.Context(), w.dynamic, objects[0], live); err != nil {
		t.Fatal(err)
	}
	w.until(t, "no webhooks", func(hook *admissionregistrationv1.MutatingWebhook) bool { return hook == nil })
	if bundle, err := w.keeper.Published(t.Context()); err != nil || bundle != nil {
		t.Errorf("published while unlocked: %q, %v", bundle, err)
	}

	w.set(func() { w.clockAdds = 59 * time.Minute })
	for range 10 { // a Keeper that does not wait would have put the webhooks back
		w.keeper.Wake()
		eventually(t, "a look", func(context.Context) (bool, error) { return len(w.keeper.wake) == 0, nil })
		if hook, err := w.enforce(t.Context()); err != nil || hook != nil {
			t.Fatalf("a minute too early there is %+v, %v", hook, err)
		}
	}
	w.server.broken.Store(true)
	w.set(func() { w.clockAdds = 61 * time.Minute })
	w.until(t, "Ignore", func(hook *admissionregistrationv1.MutatingWebhook) bool { return hook != nil && !fails(hook) })
	w.server.broken.Store(false)
	w.keeper.Wake()
	w.until(t, "Fail again", fails)
	w.untilJudged(t)
	if n := testutil.ToFloat64(w.metrics.unlocked); n != 0 {
		t.Errorf("locked again, and the metric is %v", n)
	}
	if n := testutil.ToFloat64(w.metrics.drift.WithLabelValues("validating")); n != 0 {
		t.Errorf("an unlock is no drift, but counted %v times", n)
	}

	// By the Keeper's clock this is over; it may be ahead.
	if _, err := Unlock(t.Context(), w.dynamic, w.options.Name, 2*time.Hour, "again", "bob", time.Now()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a bad Pod passes again", passes)
	if err := Lock(t.Context(), w.dynamic, w.options.Name); err != nil {
		t.Fatal(err)
	}
	w.untilJudged(t)

	// With nothing but the API server.
	w.stop()
	if _, err := Unlock(t.Context(), w.dynamic, w.options.Name, time.Minute, "nobody is running", "carol", time.Now()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a bad Pod passes while nobody is running", passes)
}

// A leader that comes next takes over what it finds, without a moment in which less is enforced.
func testNextLeader(t *testing.T, w *world) {
	w.wanted.Interests = []Interest{w.interest("pods", "secrets")}
	w.run(t)
	w.until(t, "Fail", fails)
	w.stop()
	before, err := w.place(Validate).get(t.Context(), w.dynamic)
	if err != nil {
		t.Fatal(err)
	}
	w.server.broken.Store(true) // so that no probe of the next one is answered
	w.disagree = true
	w.wanted = asking{[]Interest{w.interest("configmaps", "pods")}, "r2"}
	w.run(t)
	w.until(t, "less", asksAbout("pods"))
	after, err := w.place(Validate).get(t.Context(), w.dynamic)
	if err != nil || after.Generation != before.Generation+1 {
		t.Errorf("what was enforced changed %d times, not once: %v", after.Generation-before.Generation, err)
	}
	w.server.broken.Store(false)
	w.set(func() { w.disagree = false })
	w.until(t, "all", asksAbout("configmaps", "pods"))

	// It loses the lead; while another leads, less is registered, and that is no drift when it leads again.
	w.stop()
	w.disagree = true
	w.patch(t, w.place(Validate), types.JSONPatchType, `[{"op":"replace","path":"/webhooks/0/rules/0/resources","value":["configmaps"]}]`)
	w.lead(t)
	w.settle(t)
	if hook, err := w.enforce(t.Context()); err != nil || !asksAbout("configmaps")(hook) {
		t.Errorf("who leads again registers what it did before: %+v, %v", hook, err)
	}
	if n := testutil.ToFloat64(w.metrics.drift.WithLabelValues("validating")); n != 0 {
		t.Errorf("what another leader did is counted as drift %v times", n)
	}
}

// While one authority takes over from another both are published, and what is enforced stays so.
func testAuthorities(t *testing.T, w *world) {
	w.run(t)
	w.until(t, "Fail", fails)
	w.untilAsked(t, map[string]string{"names": "r1"}) // the probes of what is Fail were answered, too
	other := stranger(t)
	// What is written is not published before the API server was seen to go by it.
	w.server.broken.Store(true)
	count := func(result string) float64 { return testutil.ToFloat64(w.metrics.probes.WithLabelValues(result)) }
	answered, unanswered := count(probeAnswered), count(probeUnanswered)
	w.set(func() { w.bundle = append(slices.Clone(w.server.ca), other...) })
	both := bundle(append(slices.Clone(other), w.server.ca...))
	w.until(t, "both authorities", func(hook *admissionregistrationv1.MutatingWebhook) bool {
		return slices.Equal(hook.ClientConfig.CABundle, both)
	})
	eventually(t, "an unanswered probe", func(context.Context) (bool, error) {
		return count(probeUnanswered) > unanswered, nil
	})
	if published, err := w.keeper.Published(t.Context()); err != nil || published != nil {
		t.Errorf("published before it was seen: %q, %v", published, err)
	}
	w.server.broken.Store(false)
	w.keeper.Wake()
	eventually(t, "both authorities", func(ctx context.Context) (bool, error) {
		if hook, err := w.enforce(ctx); err != nil || !fails(hook) {
			t.Errorf("while authorities change the webhook is %+v, %v", hook, err)
		}
		published, err := w.keeper.Published(ctx)
		return slices.Equal(published, both), err
	})
	eventually(t, "a probe with both", func(context.Context) (bool, error) {
		return count(probeAnswered) == answered+2, nil
	})
	// What only some webhooks publish is not published.
	w.stop()
	w.patch(t, w.place(""), types.JSONPatchType, `[{"op":"remove","path":"/webhooks/0/clientConfig/caBundle"}]`)
	if published, err := w.keeper.Published(t.Context()); err != nil || published != nil {
		t.Errorf("published %q, %v", published, err)
	}
	// No authority yet: nothing is made worse.
	w.bundle, w.noBundle = nil, true
	w.run(t)
	eventually(t, "a failure", func(context.Context) (bool, error) { return testutil.ToFloat64(w.metrics.failures) > 0, nil })
	if hook, err := w.enforce(t.Context()); err != nil || !fails(hook) || len(hook.ClientConfig.CABundle) == 0 {
		t.Errorf("without an authority the webhook is %+v, %v", hook, err)
	}
	// None is needed: what is registered is kept true all the same.
	w.set(func() { w.noBundle, w.wanted = false, asking{[]Interest{w.interest("secrets")}, "r2"} })
	w.until(t, "secrets", asksAbout("secrets"))
}

// Where somebody else fills in the authorities, they are left to him.
func testInjected(t *testing.T, w *world) {
	w.injected = true
	w.run(t)
	inject := func() {
		for _, p := range places(w.options.Name) {
			eventually(t, "the "+p.String(), func(ctx context.Context) (bool, error) {
				live, err := p.get(ctx, w.dynamic)
				if err != nil || live == nil {
					return false, err
				}
				for n := range live.Webhooks {
					live.Webhooks[n].ClientConfig.CABundle = w.server.ca
				}
				_, err = overwrite(ctx, p, w, live)
				return err == nil, nil // a conflict is tried again
			})
		}
	}
	inject()
	w.until(t, "Fail", fails)
	w.untilJudged(t)
	if n := testutil.ToFloat64(w.metrics.drift.WithLabelValues("validating")); n != 0 {
		t.Errorf("what the injector does is counted as drift, %v times", n)
	}
	w.patch(t, w.place(Validate), types.JSONPatchType, `[{"op":"add","path":"/webhooks/0/matchConditions/-","value":{"name":"never","expression":"false"}}]`)
	eventually(t, "another's condition goes, the authorities stay", func(ctx context.Context) (bool, error) {
		hook, err := w.enforce(ctx)
		return fails(hook) && len(hook.MatchConditions) == 3 && slices.Equal(hook.ClientConfig.CABundle, w.server.ca), err
	})
}

// The configurations vanish with the release.
func testOwner(t *testing.T, w *world) {
	role, err := w.client.RbacV1().ClusterRoles().Create(t.Context(),
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: w.options.Name}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.options.Owner = &metav1.OwnerReference{
		APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRole", Name: role.Name, UID: role.UID,
	}
	w.run(t)
	w.until(t, "Fail", fails)
	w.stop()
	if err := w.client.RbacV1().ClusterRoles().Delete(t.Context(), role.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, p := range places(w.options.Name) {
		eventually(t, "the "+p.String()+" goes", func(ctx context.Context) (bool, error) {
			live, err := p.get(ctx, w.dynamic)
			return live == nil, err
		})
	}
}

// untilReported waits for an error that begins so.
func (w *world) untilReported(t *testing.T, begins string) {
	t.Helper()
	eventually(t, "it is reported: "+begins, func(context.Context) (bool, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.standing.Err != nil && strings.HasPrefix(w.standing.Err.Error(), begins) && len(w.standing.Asked) == 0, nil
	})
}

// That the API server does not reach us any more is seen, and nothing passes for that.
func testReached(t *testing.T, w *world) {
	w.still = time.Now()
	w.run(t)
	w.until(t, "Fail", fails)
	asked := map[string]string{"names": "r1"}
	w.untilAsked(t, asked)
	probes := w.server.probes.Load()
	for range 3 {
		w.settle(t)
	}
	if n := w.server.probes.Load(); n != probes {
		t.Errorf("looks within a minute had %d probes sent", n-probes)
	}
	w.server.broken.Store(true)
	unanswered := func() float64 { return testutil.ToFloat64(w.metrics.probes.WithLabelValues(probeUnanswered)) }
	before := unanswered()
	w.set(func() { w.clockAdds += look })
	eventually(t, "both phases are probed again", func(context.Context) (bool, error) { return unanswered() == before+2, nil })
	w.settle(t)
	w.untilAsked(t, asked) // one answer that is lost is not told
	w.set(func() { w.clockAdds += doubt })
	w.untilReported(t, "the API server does not reach this server any more: the probe of the ")
	w.settle(t)
	if n := unanswered(); n != before+4 {
		t.Errorf("two rounds were %v probes", n-before)
	}
	if hook, err := w.enforce(t.Context()); err != nil || !fails(hook) {
		t.Errorf("what is not reached is registered as %+v, %v", hook, err)
	}
	w.server.broken.Store(false)
	w.set(func() { w.clockAdds += doubt })
	w.untilAsked(t, asked)
}

// What lasts is told: nobody keeps the registration true while it is not known what it should be.
func testUnknown(t *testing.T, w *world) {
	w.still = time.Now()
	w.run(t)
	w.until(t, "Fail", fails)
	w.untilAsked(t, map[string]string{"names": "r1"})
	w.set(func() { w.unknown = true })
	w.settle(t)
	w.untilAsked(t, map[string]string{"names": "r1"})
	w.set(func() { w.clockAdds += look })
	w.untilReported(t, "what policies want is not registered now, and what is registered stays: the policies were not read yet")
	w.set(func() { w.unknown = false })
	w.untilAsked(t, map[string]string{"names": "r1"})
}

// Conflicts that do not end are told like other errors.
func testConflicts(t *testing.T, w *world) {
	var conflicts atomic.Int32
	config := rest.CopyConfig(w.config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.Method != http.MethodPatch {
				return next.RoundTrip(r)
			}
			conflicts.Add(1)
			body := `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Conflict","code":409,"message":"somebody was faster"}`
			return &http.Response{
				StatusCode: http.StatusConflict, Header: http.Header{"Content-Type": {"application/json"}},
				Body: io.NopCloser(strings.NewReader(body)), Request: r,
			}, nil
		})
	})
	beaten := *w.plane
	beaten.dynamic = dynamic.NewForConfigOrDie(config)
	w.plane = &beaten
	w.run(t)
	for n := range int32(mostConflicts) {
		eventually(t, "another conflict", func(context.Context) (bool, error) { return conflicts.Load() > n, nil })
		w.keeper.Wake()
	}
	w.untilReported(t, "write the ValidatingWebhookConfiguration conflicts: somebody was faster")
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// These rights are enough, and are what the chart gives.
func testRights(t *testing.T, w *world) {
	name, namespace := w.options.Name, w.options.Namespace
	user := rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: name}
	kinds := []string{"validatingwebhookconfigurations", "mutatingwebhookconfigurations"}
	meta, group := metav1.ObjectMeta{Name: name}, []string{admissionregistrationv1.GroupName}
	rbac := w.client.RbacV1()
	_, all := rbac.ClusterRoles().Create(t.Context(), &rbacv1.ClusterRole{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{
		{Verbs: []string{"create"}, APIGroups: group, Resources: kinds},
		{
			Verbs: []string{"get", "list", "watch", "update", "patch"}, APIGroups: group, Resources: kinds,
			ResourceNames: []string{name, name + policiesSuffix},
		},
	}}, metav1.CreateOptions{})
	_, own := rbac.Roles(namespace).Create(t.Context(), &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{
		{Verbs: []string{"create"}, APIGroups: []string{leases().Group}, Resources: []string{leases().Resource}},
	}}, metav1.CreateOptions{})
	_, bindCluster := rbac.ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: meta, Subjects: []rbacv1.Subject{user}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
	}, metav1.CreateOptions{})
	_, bindOwn := rbac.RoleBindings(namespace).Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: meta, Subjects: []rbacv1.Subject{user}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
	}, metav1.CreateOptions{})
	if err := errors.Join(all, own, bindCluster, bindOwn); err != nil {
		t.Fatal(err)
	}
	config := rest.CopyConfig(w.config)
	config.Impersonate = rest.ImpersonationConfig{UserName: w.options.user()}
	unprivileged := *w.plane
	unprivileged.dynamic = dynamic.NewForConfigOrDie(config)
	w.plane = &unprivileged
	if err := w.place(Validate).client(w.dynamic).Delete(t.Context(), "any", metav1.DeleteOptions{}); !apierrors.IsForbidden(err) {
		t.Fatalf("it may do more than it must: %v", err)
	}
	w.run(t)
	w.until(t, "Fail", fails)
	w.plane = clients(t, w.Cluster) // from here on somebody else acts
	w.patch(t, w.place(Validate), types.JSONPatchType, `[{"op":"add","path":"/webhooks/0/matchConditions/-","value":{"name":"never","expression":"false"}}]`)
	w.until(t, "another's condition goes", func(hook *admissionregistrationv1.MutatingWebhook) bool { return len(hook.MatchConditions) == 3 })
	if _, err := w.client.AdmissionregistrationV1().MutatingWebhookConfigurations().Patch(t.Context(), name, types.MergePatchType,
		[]byte(`{"webhooks":[]}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the watch tells", func(ctx context.Context) (bool, error) {
		live, err := w.place(Mutate).get(ctx, w.dynamic)
		return err == nil && len(live.Webhooks) > 0, err
	})
}

// Who has read what is no more so must not write.
func testFence(t *testing.T, w *world) {
	w.run(t)
	w.until(t, "Fail", fails)
	w.stop()
	at := w.place(Validate)
	stale, err := at.get(t.Context(), w.dynamic)
	if err != nil {
		t.Fatal(err)
	}
	if err := Lock(t.Context(), w.dynamic, w.options.Name); err != nil { // changes nothing
		t.Fatal(err)
	}
	w.patch(t, at, types.MergePatchType, `{"metadata":{"labels":{"changed":"yes"}}}`)
	objects, err := Plan(nil, w.options).objects()
	if err != nil {
		t.Fatal(err)
	}
	if err := at.apply(t.Context(), w.dynamic, objects[0], stale); !apierrors.IsConflict(err) {
		t.Errorf("a write after another's: %v", err)
	}
	if hook, err := w.enforce(t.Context()); err != nil || !fails(hook) {
		t.Errorf("the write did something: %+v, %v", hook, err)
	}
}
