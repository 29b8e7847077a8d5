package status

import (
	"context"
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
	"github.com/portcullis-dev/portcullis/policies/inventory"
	"github.com/portcullis-dev/portcullis/policies/source"
	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
	"github.com/portcullis-dev/portcullis/test/cluster"
)

// real is a Loader with a Writer over a real API server.
type real struct {
	*cluster.Cluster
	client dynamic.Interface
	ledger *Ledger
	writer *Writer
	events *recorder

	mu       sync.Mutex
	replicas []string // that serve another revision than we do
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

func (w *real) live() ([]Replica, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	ours := ""
	if set := w.engine.Set(); set != nil {
		ours = set.Revision()
	}
	return all(append([]string{ours}, w.replicas...)...), nil
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
	w := &real{Cluster: c, client: client, ledger: &Ledger{}, events: &recorder{}}
	log := slog.New(slog.DiscardHandler)
	store := &inventory.Store{}
	following, err := source.NewInventory(config, store, log)
	if err != nil {
		t.Fatal(err)
	}
	following.Retry = time.Second
	objects := &source.Objects{Client: client, Reader: reader(t), ConfigMaps: []string{"default"}, Log: log}
	loader := &policies.Loader{
		Engine: &w.engine, Sources: []policies.Source{objects}, Options: []policies.Option{policies.WithInventory(store)},
		Prepare: func(ctx context.Context, set *policies.Set) { following.Prepare(ctx, set.Needs()) },
		Report: func(l policies.Load) {
			following.Follow(l.Set.Needs())
			w.ledger.Loaded(l, objects.Versions())
		},
	}
	w.writer = NewWriter(client, w.ledger, w.live, log)
	w.writer.Events, w.writer.ConfigMaps, w.writer.Inventory = w.events, objects.ConfigMaps, store.Snapshot
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = following.Run(ctx) })
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
	u, err := w.client.Resource(resource("policies")).Get(t.Context(), name, metav1.GetOptions{})
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
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		p := w.policy(t, name)
		if ok(p) {
			return p
		}
		if time.Now().After(end) {
			t.Fatalf("not within two minutes: %s\n%+v", what, p.Status)
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
	u, err := w.client.Resource(resource("policies")).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := unstructured.SetNestedField(u.Object, rego, "spec", "rego"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.client.Resource(resource("policies")).Update(t.Context(), u, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestInARealCluster(t *testing.T) {
	w := start(t)
	t.Run("policies", w.testPolicies)
	t.Run("conflicting mutations", w.testConflict)
	t.Run("a kind that is not known, and one that vanishes", w.testKinds)
	t.Run("exceptions", w.testExceptions)
	t.Run("ConfigMaps", w.testConfigMaps)
}

func (w *real) testPolicies(t *testing.T) {
	if _, err := w.client.Resource(resource("policies")).Create(t.Context(), manifest("p", good), metav1.CreateOptions{}); err != nil {
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
	if _, err := w.client.Resource(resource("policies")).Create(t.Context(), manifest("q", strings.ReplaceAll(good, "package p", "package q")), metav1.CreateOptions{}); err != nil {
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

	// Who stood still writes nothing over what was written meanwhile.
	stale, err := w.client.Resource(resource("policies")).Get(t.Context(), "p", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.rewrite(t, "p", good)
	w.until(t, "p", "Ready", is(v1alpha1.PolicyReady, metav1.ConditionTrue))
	other := NewWriter(w.client, w.ledger, func() ([]Replica, error) { return nil, nil }, slog.New(slog.DiscardHandler))
	if err := other.keep(t.Context(), w.ledger.page(), other.shelves()[0], stale); err == nil || !strings.Contains(err.Error(), "the object has been modified") {
		t.Errorf("a stale write: %v", err)
	}
}
