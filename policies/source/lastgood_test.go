package source

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/native"
	"github.com/portcullis-dev/portcullis/review"
	"github.com/portcullis-dev/portcullis/test/cluster"
)

// server is a Loader of a cluster's policies, as each replica has one.
type server struct {
	engine  *policies.Engine
	objects *Objects
	keeper  *LastGood
	ended   chan struct{}
	stop    context.CancelFunc
}

const faultyRule = "package team.rule\n\ndeny contains missing\n"

func begin(t *testing.T, client dynamic.Interface, kept *Kept) *server {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	o := &Objects{
		Client: client, Reader: newFiles(t).Reader, Log: log, Kept: kept,
		LastGood: types.NamespacedName{Namespace: "default", Name: "portcullis-last-good"},
	}
	s := &server{engine: &policies.Engine{}, objects: o, keeper: NewLastGood(client, "default", "portcullis-last-good", o, log), ended: make(chan struct{})}
	loader := &policies.Loader{Engine: s.engine, Sources: []policies.Source{o}, Report: o.Loaded}
	var ctx context.Context
	ctx, s.stop = context.WithCancel(context.WithoutCancel(t.Context()))
	go func() {
		defer close(s.ended)
		if err := loader.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(s.end)
	return s
}

func (s *server) end() {
	s.stop()
	<-s.ended
}

// serves is what the policy mine says, empty if it is not in force.
func (s *server) serves() string {
	if set := s.engine.Set(); set != nil {
		for _, p := range set.Policies() {
			if p.Spec().ID == "mine" {
				return p.Spec().Modules[0].Rules[0].Head.Key.String()
			}
		}
	}
	return ""
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never happened that %s", what)
		}
	}
}

// faulty waits until the server has seen a faulty version of mine.
func (s *server) faulty(t *testing.T) {
	t.Helper()
	until(t, "the fault is seen", func() bool {
		all, known := s.objects.stalled()
		_, is := all["mine"]
		return known && is
	})
}

func withSecrets(t *testing.T) dynamic.Interface {
	t.Helper()
	c := cluster.StartT(t, cluster.Options{NoControllerManager: true})
	config, err := c.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"apply", "-f", crds}, {"wait", "--for=condition=Established", "crd/policies.portcullis.dev", "crd/policyexceptions.portcullis.dev"},
	} {
		if _, stderr, err := c.Kubectl(t.Context(), "", nil, args...); err != nil {
			t.Fatal(stderr)
		}
	}
	return client
}

func applyMine(t *testing.T, client dynamic.Interface, rego string) {
	t.Helper()
	if _, err := client.Resource(resource("policies")).Apply(t.Context(), "mine", policyObject(t, "mine", rego), metav1.ApplyOptions{FieldManager: "test", Force: true}); err != nil {
		t.Fatal(err)
	}
}

func TestAServerThatStartsFindsTheLastGoodVersion(t *testing.T) {
	client := withSecrets(t)
	secrets := client.Resource(secretResource()).Namespace("default")
	data := func() map[string]string {
		t.Helper()
		u, err := secrets.Get(t.Context(), "portcullis-last-good", metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err != nil {
			t.Fatal(err)
		}
		out, _, _ := unstructured.NestedStringMap(u.Object, "data")
		return out
	}
	keep := func(s *server) {
		t.Helper()
		if err := s.keeper.keep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	applyMine(t, client, rule("one"))
	old := begin(t, client, nil)
	until(t, "the first version is served", func() bool { return old.serves() == `"one"` })
	keep(old)
	if got := data(); got != nil {
		t.Errorf("a Secret is made although nothing is faulty: %v", got)
	}

	// One that never was good has nothing to be kept.
	never := policyObject(t, "never", "package never\n\ndeny contains missing\n")
	if _, err := client.Resource(resource("policies")).Create(t.Context(), never, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	applyMine(t, client, faultyRule)
	old.faulty(t)
	keep(old)
	if got := data(); len(got) != 1 || got["mine"] == "" {
		t.Fatalf("what is kept: %v", got)
	}

	young := begin(t, client, nil)
	until(t, "it serves the version of before", func() bool { return young.serves() == `"one"` })
	// It may lead as well as any, and knows what is kept for what.
	before := data()
	young.faulty(t)
	keep(young)
	if got := data(); got["mine"] != before["mine"] {
		t.Error("who found the version takes it away")
	}

	t.Run("control: without the Secret it is not enforced, and who leads without it takes nothing away", func(t *testing.T) {
		if err := secrets.Delete(t.Context(), "portcullis-last-good", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		without := begin(t, client, nil)
		without.faulty(t)
		if got := without.serves(); got != "" {
			t.Errorf("it serves %s", got)
		}
		keep(young)
		keep(without)
		if got := data(); got["mine"] == "" {
			t.Error("it is not kept any more")
		}
		until(t, "a server that runs already takes it, too", func() bool { return without.serves() == `"one"` })
	})
	t.Run("a leader of the past writes nothing", func(t *testing.T) {
		stale, err := secrets.Get(t.Context(), "portcullis-last-good", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		applyMine(t, client, rule("two"))
		until(t, "the mended version is served", func() bool { return young.serves() == `"two"` })
		keep(young)
		if got := data(); len(got) != 0 {
			t.Fatalf("what is kept of policies that are good: %v", got)
		}
		if _, err := secrets.Update(t.Context(), stale, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
			t.Errorf("a write of before: %v", err)
		}
		// It saw no Secret and makes one, which is there by now, with something in it.
		applyMine(t, client, faultyRule)
		young.faulty(t)
		until(t, "it is kept", func() bool { keep(young); return data()["mine"] != "" })
		before := data()
		if err := young.keeper.create(t.Context(), secrets); err != nil {
			t.Errorf("making it again: %v", err)
		}
		if got := data(); got["mine"] != before["mine"] {
			t.Error("what was in it is gone")
		}
	})
	t.Run("what goes with its policy", func(t *testing.T) {
		if err := client.Resource(resource("policies")).Delete(t.Context(), "mine", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		until(t, "it is gone", func() bool { keep(young); return len(data()) == 0 })
		if young.serves() != "" {
			t.Error("a policy that was deleted is served")
		}
	})
	t.Run("another's Secret is left alone", func(t *testing.T) {
		u, err := secrets.Get(t.Context(), "portcullis-last-good", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		u.SetLabels(nil)
		if _, err := secrets.Update(t.Context(), u, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := young.keeper.keep(t.Context()); err == nil ||
			err.Error() != "Secret default/portcullis-last-good was not made by Portcullis and is left alone; delete it, or run Portcullis under another name" {
			t.Error(err)
		}
	})
}

func TestAnEntryIsReadAsItWasWritten(t *testing.T) {
	good := policyFile(policyObject(t, "mine", rule("one")))
	data, err := encodeEntry(stalled{version: "abc", good: &good})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := decodeEntry("mine", data); err != nil || got.Name != good.Name || !bytes.Equal(got.Text, good.Text) || got.Format != good.Format {
		t.Errorf("%+v, %v", got, err)
	}
	for at := range data {
		torn := bytes.Clone(data)
		torn[at] ^= 0x10
		// The head of a gzip file has bytes that say nothing of what is in it.
		if got, err := decodeEntry("mine", torn); err == nil && !bytes.Equal(got.Text, good.Text) {
			t.Errorf("byte %d: %+v", at, got)
		}
	}
}

// What is kept under one policy's name puts no other one in force.
func TestAnEntrySpeaksOfItsOwnPolicyAlone(t *testing.T) {
	o := newObjects(t, fakeCluster(t))
	files := []native.File{policyFile(policyObject(t, "mine", faultyRule)), policyFile(policyObject(t, "other", faultyRule))}
	forged := policyFile(policyObject(t, "other", rule("forged")))
	forged.Name = PolicyFileName("mine")
	gone := policyFile(policyObject(t, "gone", rule("gone")))
	if got := o.bundle(files, []native.File{forged, gone}, nil).Earlier; len(got) > 0 {
		t.Errorf("%+v", got)
	}
	if got := o.bundle(files, []native.File{policyFile(policyObject(t, "mine", rule("one")))}, nil).Earlier; len(got) != 1 || got[0].ID != "mine" {
		t.Errorf("%+v", got)
	}
}

func TestThereIsRoomForSoMuch(t *testing.T) {
	small := policyFile(policyObject(t, "z", rule("one")))
	_, full, err := entries(nil, map[string]stalled{"z": {good: &small}})
	if err != nil || len(full) > 0 {
		t.Error(full, err)
	}
	before := map[string]string{"big": strings.Repeat("x", maxEntries-1), "kept": "x", "good": "x"}
	out, full, err := entries(before, map[string]stalled{"big": {}, "kept": {}, "z": {good: &small}})
	if err != nil || len(out) != 2 || out["good"] != "" || strings.Join(full, " ") != "z" {
		t.Errorf("%d, %v, %v", len(out), full, err)
	}
}

// away has the cluster answer no list until back is called.
func away(client *fake.FakeDynamicClient) (back func()) {
	var there atomic.Bool
	client.PrependReactor("list", "*", func(clienttesting.Action) (bool, runtime.Object, error) {
		return !there.Load(), nil, errors.New("the API server is away")
	})
	return func() { there.Store(true) }
}

// What was kept stands in until the cluster can be listed, with the last good versions, and then the cluster's own takes over.
func TestWhatWasKeptStandsIn(t *testing.T) {
	faulty, good := policyFile(policyObject(t, "mine", faultyRule)), policyFile(policyObject(t, "mine", rule("one")))
	client := fakeCluster(t, policyObject(t, "mine", rule("two")))
	back := away(client)
	s := begin(t, client, &Kept{Files: []native.File{faulty}, Good: []native.File{good}, After: 10 * time.Millisecond})
	until(t, "what was kept is served", func() bool { return s.serves() == `"one"` })
	if s.objects.Ready() != nil || s.objects.Live() || s.objects.Keep() != nil {
		t.Error("it passes for what the cluster lists")
	}
	if _, known := s.objects.stalled(); known {
		t.Error("who leads would write by it")
	}
	back()
	until(t, "the cluster's own is served", func() bool { return s.serves() == `"two"` })
	until(t, "it is kept", func() bool { return s.objects.Keep() != nil })
	if kept := s.objects.Keep(); !s.objects.Live() || len(kept.Files) != 1 || len(kept.Good) > 0 {
		t.Errorf("%+v", kept)
	}
}

// An exception that was kept ends when it says, whether or not the cluster answers.
func TestAnExceptionThatWasKeptEnds(t *testing.T) {
	request := func() *review.Request {
		req := ask(t, "CREATE", "policies", "", policyObject(t, "mine", rule("one")), nil)
		req.Target = review.Target{Version: "v1", Resource: "secrets", Kind: "Secret", Namespace: "prod", Name: "web"}
		return req
	}
	for ends, want := range map[time.Duration]bool{-time.Minute: false, time.Hour: true} {
		client := fakeCluster(t)
		away(client)
		exception := exceptionFile(object(t, `{apiVersion: portcullis.dev/v1alpha1, kind: PolicyException, metadata: {name: a, namespace: prod},
			spec: {policies: [mine], match: {resources: [secrets]}, reason: z, expires: "`+time.Now().Add(ends).UTC().Format(time.RFC3339)+`"}}`))
		s := begin(t, client, &Kept{Files: []native.File{policyFile(policyObject(t, "mine", rule("one"))), exception}})
		until(t, "what was kept is served", func() bool { return s.serves() == `"one"` })
		d, err := s.engine.Review(t.Context(), request())
		if err != nil || (d.Verdict == review.Allow) != want {
			t.Errorf("it ends in %v: %+v, %v", ends, d, err)
		}
	}
}

func TestWhatWasKeptWaitsForTheCluster(t *testing.T) {
	kept := policyFile(policyObject(t, "mine", rule("one")))
	s := begin(t, fakeCluster(t, policyObject(t, "mine", rule("two"))), &Kept{Files: []native.File{kept}, After: time.Hour})
	until(t, "the cluster's own is served", func() bool { return s.serves() != "" })
	if s.serves() != `"two"` || !s.objects.Live() {
		t.Error(s.serves())
	}
}

func FuzzEntry(f *testing.F) {
	good := native.File{Text: []byte("{}")}
	data, err := encodeEntry(stalled{version: "abc", good: &good})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := decodeEntry("mine", data)
		if (got.Name == "") == (err == nil) {
			t.Errorf("%+v, %v", got, err)
		}
	})
}
