package status

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/events"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/native"
	"github.com/portcullis-dev/portcullis/policies/source"
	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
	"github.com/portcullis-dev/portcullis/test/cluster"
)

const (
	good    = "package p\n\ndeny contains \"no\" if input.request.namespace == \"prod\"\n"
	better  = "package p\n\ndeny contains \"better not\" if input.request.namespace == \"prod\"\n"
	faulty  = "package p\n\ndeny contains missing\n"
	tooLong = 4097
)

func reader(t *testing.T) *native.Reader {
	t.Helper()
	r, err := native.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func manifest(name, rego string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "portcullis.dev/v1alpha1", "kind": "Policy", "metadata": map[string]any{"name": name}, "spec": map[string]any{"rego": rego},
	}}
}

// loadOf makes a Load as a Loader does: what is faulty keeps the version of the load before.
func loadOf(t *testing.T, before *policies.Set, faults policies.Faults, rego string) policies.Load {
	t.Helper()
	if rego == "" {
		return policies.Load{Set: before, Faults: faults}
	}
	file := native.File{Name: "policy/p", Format: native.YAMLText, Text: fmt.Appendf(nil, `{"apiVersion":"portcullis.dev/v1alpha1","kind":"Policy","metadata":{"name":"p"},"spec":{"rego":%q}}`, rego)}
	specs, failed := reader(t).Read([]native.File{file})
	if len(failed) > 0 {
		t.Fatal(failed)
	}
	set, err := policies.Compile(t.Context(), specs)
	if err != nil {
		t.Fatal(err)
	}
	return policies.Load{Set: set, Faults: faults}
}

func TestJudge(t *testing.T) {
	first := loadOf(t, nil, nil, good)
	second := loadOf(t, nil, nil, better)
	wrong := policies.Faults{{File: "policy/p", Policy: "p", Err: errors.New("policy/p:3: var missing is unsafe\npolicy/p:4: more")}}
	none := policies.NewSet(nil)
	live := func(revisions ...string) Replicas { return func() ([]string, error) { return revisions, nil } }
	one, two := first.Set.Revision(), second.Set.Revision()
	for _, row := range []struct {
		what     string
		loads    []policies.Load
		replicas Replicas
		want     string
	}{
		{"all serve it", []policies.Load{first}, live(one, one, one), "Compiled=True Compiled []; Ready=True ServedByAll []; 3/3 " + one + " admission deny []"},
		{"two of three", []policies.Load{first, second}, live(two, one, two), "Compiled=True Compiled []; Ready=False RollingOut [2 of 3 replicas serve it]; 2/3 " + two + " admission deny []"},
		{"one that has just begun", []policies.Load{first}, live(one, ""), "Compiled=True Compiled []; Ready=False RollingOut [1 of 2 replicas serve it]; 1/2 " + one + " admission deny []"},
		{"nobody", []policies.Load{first}, live(), "Compiled=True Compiled []; Ready=False RollingOut [0 of 0 replicas serve it]; 0/0 " + one + " admission deny []"},
		{
			"not known",
			[]policies.Load{first},
			func() ([]string, error) { return nil, errors.New("the replicas are not known") },
			"Compiled=True Compiled []; Ready=False ReplicasUnknown [the replicas are not known];  " + one + " admission deny []",
		},
		{
			"faulty",
			[]policies.Load{{Set: none, Faults: wrong}},
			live(none.Revision()),
			"Compiled=False Faulty [policy/p:3: var missing is unsafe; policy/p:4: more]; " +
				"Ready=False Faulty [no version is served, because this one is faulty and there is no earlier one];     [policy/p:3: var missing is unsafe; policy/p:4: more]",
		},
		{
			"faulty, with an earlier version",
			[]policies.Load{first, {Set: first.Set, Faults: wrong}},
			live(one),
			"Compiled=False Faulty [policy/p:3: var missing is unsafe; policy/p:4: more]; " +
				"Stalled=True LastGoodServes [the last good version stays in force until this one is mended]; " +
				"Ready=False Faulty [an earlier version is served, because this one is faulty];   admission deny [policy/p:3: var missing is unsafe; policy/p:4: more]",
		},
		{
			"vanished",
			[]policies.Load{{Set: none}},
			live(none.Revision()),
			"Compiled=False Faulty [policy/p: it is not in force, and nothing is known against it; the server's log may say more]; " +
				"Ready=False Faulty [no version is served, because this one is faulty and there is no earlier one];     " +
				"[policy/p: it is not in force, and nothing is known against it; the server's log may say more]",
		},
	} {
		var l Ledger
		for _, load := range row.loads {
			l.Loaded(load, nil)
		}
		policy := &v1alpha1.Policy{ObjectMeta: metav1.ObjectMeta{Name: "p", Generation: 7}}
		status := l.page().judge(policy, row.replicas)
		var conditions []string
		for _, c := range status.Conditions {
			conditions = append(conditions, fmt.Sprintf("%s=%s %s [%s]", c.Type, c.Status, c.Reason, c.Message))
			if c.ObservedGeneration != 7 || c.LastTransitionTime.IsZero() {
				t.Errorf("%s: %+v", row.what, c)
			}
		}
		got := fmt.Sprintf("%s; %s %s %s %s [%s]", strings.Join(conditions, "; "), status.Replicas, status.Revision, status.Stage, status.Enforcement, status.Message)
		if got != row.want || status.ObservedGeneration != 7 {
			t.Errorf("%s:\n got %s\nwant %s", row.what, got, row.want)
		}
		if again := l.page().judge(&v1alpha1.Policy{ObjectMeta: policy.ObjectMeta, Status: status}, row.replicas); fmt.Sprint(again) != fmt.Sprint(status) {
			t.Errorf("%s: judged again it is another", row.what)
		}
	}
}

// A policy that is the same in two sets is served by replicas of either.
func TestOtherPoliciesDoNotMatter(t *testing.T) {
	one := loadOf(t, nil, nil, good)
	both := policies.Load{Set: policies.NewSet(append([]*policies.Policy{}, append(one.Set.Policies(), other(t))...))}
	var l Ledger
	l.Loaded(one, nil)
	l.Loaded(both, nil)
	status := l.page().judge(&v1alpha1.Policy{ObjectMeta: metav1.ObjectMeta{Name: "p"}}, func() ([]string, error) {
		return []string{one.Set.Revision(), both.Set.Revision()}, nil
	})
	if !meta.IsStatusConditionTrue(status.Conditions, v1alpha1.PolicyReady) {
		t.Errorf("%+v", status)
	}
	for n := range keptSets {
		l.Loaded(loadOf(t, nil, nil, strings.ReplaceAll(good, "prod", fmt.Sprint(n))), nil)
	}
	if p := l.page(); len(p.sets) != keptSets || p.serves(one.Set.Revision(), "p", one.Set.Policies()[0].Spec().Digest) {
		t.Errorf("%d sets are kept", len(p.sets))
	}
}

func other(t *testing.T) *policies.Policy {
	t.Helper()
	specs, faults := reader(t).Read([]native.File{{Name: "q.rego", Text: []byte("package q\n\ndeny contains \"q\" if input.request.namespace == \"q\"\n")}})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	p, err := policies.CompilePolicy(t.Context(), specs[0])
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestLongFaultsFit(t *testing.T) {
	var l Ledger
	l.Loaded(policies.Load{Set: policies.NewSet(nil), Faults: policies.Faults{{File: "policy/p", Err: errors.New(strings.Repeat("x", tooLong))}}}, nil)
	status := l.page().judge(&v1alpha1.Policy{ObjectMeta: metav1.ObjectMeta{Name: "p"}}, nil)
	if len(status.Message) > maxMessage || !strings.HasSuffix(status.Message, "…") {
		t.Errorf("%d bytes", len(status.Message))
	}
}

// real is a Loader with a Writer over a real API server.
type real struct {
	client dynamic.Interface
	ledger *Ledger
	writer *Writer
	events *recorder

	mu       sync.Mutex
	replicas []string // that serve another revision than we do
	counts   map[string]Counts
	engine   policies.Engine
}

type recorder struct {
	events.EventRecorder
	mu    sync.Mutex
	heard []string
}

func (r *recorder) Eventf(about, _ runtime.Object, kind, reason, _, note string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	name := "?"
	if o, err := meta.Accessor(about); err == nil {
		name = o.GetName()
	}
	r.heard = append(r.heard, strings.Join([]string{kind, reason, name, fmt.Sprintf(note, args...)}, " "))
}

func (w *real) live() ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	ours := ""
	if set := w.engine.Set(); set != nil {
		ours = set.Revision()
	}
	return append([]string{ours}, w.replicas...), nil
}

func (w *real) counted() map[string]Counts {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.counts
}

func start(t *testing.T) *real {
	t.Helper()
	c := cluster.StartT(t, cluster.Options{NoControllerManager: true})
	for _, args := range [][]string{
		{"apply", "-f", "../../charts/portcullis/files/crds"},
		{"wait", "--for=condition=Established", "crd/policies.portcullis.dev", "crd/policyexceptions.portcullis.dev"},
	} {
		if _, stderr, err := c.Kubectl(t.Context(), "", nil, args...); err != nil {
			t.Fatal(stderr)
		}
	}
	config, err := c.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	w := &real{client: client, ledger: &Ledger{}, events: &recorder{}, counts: map[string]Counts{}}
	log := slog.New(slog.DiscardHandler)
	objects := &source.Objects{Client: client, Reader: reader(t), Log: log}
	loader := &policies.Loader{Engine: &w.engine, Sources: []policies.Source{objects}, Report: func(l policies.Load) {
		w.ledger.Loaded(l, objects.Versions())
	}}
	w.writer = NewWriter(client, w.ledger, w.live, log)
	w.writer.Counts, w.writer.Events = w.counted, w.events
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := loader.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	wg.Go(func() {
		if err := w.writer.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(wg.Wait)
	t.Cleanup(cancel)
	return w
}

func (w *real) policy(t *testing.T, name string) *v1alpha1.Policy {
	t.Helper()
	u, err := w.client.Resource(resource()).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var p v1alpha1.Policy
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &p); err != nil {
		t.Fatal(err)
	}
	return &p
}

func (w *real) until(t *testing.T, name, what string, ok func(*v1alpha1.Policy) bool) *v1alpha1.Policy {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		p := w.policy(t, name)
		if ok(p) {
			return p
		}
		if time.Now().After(end) {
			t.Fatalf("not within a minute: %s\n%+v", what, p.Status)
		}
	}
}

func is(kind string, status metav1.ConditionStatus) func(*v1alpha1.Policy) bool {
	return func(p *v1alpha1.Policy) bool {
		return p.Status.ObservedGeneration == p.Generation && meta.IsStatusConditionPresentAndEqual(p.Status.Conditions, kind, status)
	}
}

func (w *real) rewrite(t *testing.T, name, rego string) {
	t.Helper()
	u, err := w.client.Resource(resource()).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := unstructured.SetNestedField(u.Object, rego, "spec", "rego"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.client.Resource(resource()).Update(t.Context(), u, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestInARealCluster(t *testing.T) {
	w := start(t)
	if _, err := w.client.Resource(resource()).Create(t.Context(), manifest("p", good), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	p := w.until(t, "p", "Ready", is(v1alpha1.PolicyReady, metav1.ConditionTrue))
	if p.Status.Replicas != "1/1" || p.Status.Stage != "admission" || p.Status.Enforcement != "deny" {
		t.Errorf("%+v", p.Status)
	}

	w.mu.Lock()
	w.replicas = []string{p.Status.Revision, "another"}
	w.mu.Unlock()
	w.writer.Wake()
	p = w.until(t, "p", "not Ready", is(v1alpha1.PolicyReady, metav1.ConditionFalse))
	if c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.PolicyReady); c.Message != "2 of 3 replicas serve it" {
		t.Errorf("%+v", c)
	}
	w.mu.Lock()
	w.replicas = nil
	w.mu.Unlock()
	w.writer.Wake()
	p = w.until(t, "p", "Ready again", is(v1alpha1.PolicyReady, metav1.ConditionTrue))

	// What has not changed is not written again, whatever else is.
	if _, err := w.client.Resource(resource()).Create(t.Context(), manifest("q", strings.ReplaceAll(good, "package p", "package q")), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.until(t, "q", "Ready", is(v1alpha1.PolicyReady, metav1.ConditionTrue))
	now := w.until(t, "p", "the new revision", func(p *v1alpha1.Policy) bool { return p.Status.Revision == w.engine.Set().Revision() })
	if fmt.Sprint(now.Status.Conditions) != fmt.Sprint(p.Status.Conditions) {
		t.Errorf("another policy changed %v into %v", p.Status.Conditions, now.Status.Conditions)
	}
	w.writer.Wake()
	w.rewrite(t, "q", strings.ReplaceAll(faulty, "package p", "package q"))
	w.until(t, "q", "Stalled", is(v1alpha1.PolicyStalled, metav1.ConditionTrue))
	if again := w.policy(t, "p"); again.ResourceVersion != now.ResourceVersion {
		t.Errorf("p was written again: %+v", again.Status)
	}

	// A fault, its event, and its end.
	w.rewrite(t, "p", faulty)
	p = w.until(t, "p", "Stalled", is(v1alpha1.PolicyStalled, metav1.ConditionTrue))
	if p.Status.Message != "policy/p:3: var missing is unsafe" || !is(v1alpha1.PolicyCompiled, metav1.ConditionFalse)(p) {
		t.Errorf("%+v", p.Status)
	}
	w.rewrite(t, "p", better)
	p = w.until(t, "p", "mended", is(v1alpha1.PolicyReady, metav1.ConditionTrue))
	if meta.FindStatusCondition(p.Status.Conditions, v1alpha1.PolicyStalled) != nil || p.Status.Message != "" {
		t.Errorf("%+v", p.Status)
	}
	w.events.mu.Lock()
	heard := strings.Join(w.events.heard, "\n")
	w.events.mu.Unlock()
	if want := corev1.EventTypeWarning + " LastGoodServes p policy/p:3: var missing is unsafe"; strings.Count(heard, want) != 1 {
		t.Errorf("the events are\n%s", heard)
	}

	w.mu.Lock()
	w.counts = map[string]Counts{"p": {Findings: 3, Faults: 1}}
	w.mu.Unlock()
	w.until(t, "p", "counts", func(p *v1alpha1.Policy) bool { return p.Status.Findings == 3 && p.Status.Faults == 1 })

	// Who stood still writes nothing over what was written meanwhile.
	stale, err := w.client.Resource(resource()).Get(t.Context(), "p", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.rewrite(t, "p", good)
	w.until(t, "p", "Ready", is(v1alpha1.PolicyReady, metav1.ConditionTrue))
	other := NewWriter(w.client, w.ledger, func() ([]string, error) { return nil, nil }, slog.New(slog.DiscardHandler))
	if err := other.keep(t.Context(), w.ledger.page(), stale, Counts{}); err == nil || !strings.Contains(err.Error(), "the object has been modified") {
		t.Errorf("a stale write: %v", err)
	}
}

func TestCountsAreWrittenSeldom(t *testing.T) {
	w := NewWriter(nil, &Ledger{}, func() ([]string, error) { return nil, nil }, slog.New(slog.DiscardHandler))
	w.Ledger.Loaded(loadOf(t, nil, nil, good), nil)
	u := manifest("p", good)
	status := w.Ledger.page().judge(&v1alpha1.Policy{ObjectMeta: metav1.ObjectMeta{Name: "p"}}, w.Replicas)
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&status)
	if err != nil {
		t.Fatal(err)
	}
	u.Object["status"] = content
	w.counted["p"] = time.Now()
	// With a write there would be a panic: there is no client.
	if err := w.keep(t.Context(), w.Ledger.page(), u, Counts{Findings: 5}); err != nil {
		t.Error(err)
	}
}
