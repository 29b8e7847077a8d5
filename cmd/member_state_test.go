package cmd

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portcullis-dev/portcullis/certs"
	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/source"
	"github.com/portcullis-dev/portcullis/policies/source/state"
	"github.com/portcullis-dev/portcullis/webhook/replicas"
)

// listing is a cache that lists one Namespace.
type listing struct {
	cache.Cache
	labels map[string]string
}

func (l *listing) List(_ context.Context, into client.ObjectList, _ ...client.ListOption) error {
	list, _ := into.(*corev1.NamespaceList)
	list.Items = []corev1.Namespace{*named("work", "a")}
	list.Items[0].Labels = l.labels
	return nil
}

// keeper is a server that keeps its Namespaces in dir, and what it logs.
func keeper(t *testing.T, dir, host string) (*keeping, *bytes.Buffer) {
	t.Helper()
	out := &bytes.Buffer{}
	log := slog.New(slog.NewTextHandler(out, nil))
	m, err := NewMetrics(log)
	if err != nil {
		t.Fatal(err)
	}
	c := &member{
		flags: &memberFlags{stateDir: dir, namespace: "guard", name: "portcullis"}, log: log, metrics: m, config: &rest.Config{Host: host},
		namespaces: &namespaces{log: log, cache: &listing{labels: map[string]string{"team": "a"}}, synced: make(chan struct{}), arrivals: newArrivals()},
	}
	if c.keeping, err = newKeeping(c, false); err != nil {
		t.Fatal(err)
	}
	return c.keeping, out
}

// shown is the value of one of the keeper's metrics.
func shown(t *testing.T, k *keeping, name string) float64 {
	t.Helper()
	families, err := k.member.metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			return family.GetMetric()[0].GetGauge().GetValue() + family.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

func TestAServerFindsWhatItKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	k, _ := keeper(t, dir, "https://one")
	k.wake()
	k.write(t.Context(), time.Now())
	if _, err := os.Stat(filepath.Join(dir, state.Name)); !os.IsNotExist(err) {
		t.Fatalf("something is kept before the cluster was listed: %v", err)
	}
	k.member.namespaces.listed()
	k.write(t.Context(), time.Now())

	next, log := keeper(t, dir, "https://one")
	if next.age() != 0 || next.note() != "" {
		t.Errorf("before anything stands in: %v, %q", next.age(), next.note())
	}
	next.kept.Written = time.Now().Add(-90 * time.Second)
	next.restore()
	if ns, known := next.member.namespaces.lookup("work"); !known || ns.Labels["team"] != "a" {
		t.Errorf("%+v", ns)
	}
	if got := next.note(); got != "the cluster does not answer; its namespaces of 1m30s ago stand in" {
		t.Error(got)
	}
	if got := shown(t, next, "portcullis_state_age_seconds"); got < 90 {
		t.Errorf("the metric is %v", got)
	}
	if !strings.Contains(log.String(), "the cluster does not answer; what was kept stands in until it does") {
		t.Error(log)
	}
	next.write(t.Context(), time.Now()) // what stands in is not written
	next.member.namespaces.listed()
	if next.note() != "" || shown(t, next, "portcullis_state_age_seconds") != 0 {
		t.Error("it stands in still")
	}
}

// What the leader writes is of the cluster as it is: it registers nothing by policies that were kept.
func TestNothingIsRegisteredByWhatWasKept(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	reader, err := NewReader()
	if err != nil {
		t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(&rest.Config{Host: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	self, err := certs.NewSelfSigned(certs.SelfSignedOptions{DNSNames: []string{"localhost"}})
	if err != nil {
		t.Fatal(err)
	}
	cluster := fake.NewClientset()
	others, err := replicas.New(replicas.Options{Client: cluster, Namespace: "guard", Name: "portcullis", Replica: "a"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &member{flags: &memberFlags{}, identity: identity{source: self}, replicas: others, mutators: &Mutators{}, served: newServed(cluster.Discovery(), func() {}, log)}
	c.loaded.Set = policies.NewSet(nil)
	if _, err := c.wanted(); err != nil {
		t.Fatal("nothing is ever registered")
	}
	c.objects = &source.Objects{Client: client, Reader: reader, Log: log, Kept: &source.Kept{}}
	ctx, cancel := context.WithCancel(t.Context())
	yielded, ended := make(chan policies.Bundle, 8), make(chan error)
	go func() { ended <- c.objects.Run(ctx, func(b policies.Bundle) { yielded <- b }) }()
	<-yielded
	if _, err := c.wanted(); err == nil || !c.standsIn() {
		t.Error("the leader writes by what was kept")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestWhatIsKeptOfAnotherClusterIsIgnored(t *testing.T) {
	dir := t.TempDir()
	k, _ := keeper(t, dir, "https://one")
	k.member.namespaces.listed()
	k.wake()
	k.write(t.Context(), time.Now())
	other, log := keeper(t, dir, "https://other")
	if other.kept != nil || !strings.Contains(log.String(), "what was kept from before is of another cluster, release or settings, and is ignored") {
		t.Error(log)
	}
}

func TestATornStateIsIgnored(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, state.Name), []byte("portcullis-state 1 torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	k, log := keeper(t, dir, "https://one")
	if k.kept != nil || !strings.Contains(log.String(), "is not a state that Portcullis keeps, or only a part of one; it is ignored until a new one is written") {
		t.Error(log)
	}
	k.member.namespaces.listed()
	k.wake()
	k.write(t.Context(), time.Now())
	if again, _ := keeper(t, dir, "https://one"); again.kept == nil {
		t.Error("no new one was written")
	}
}

// Where nothing can be written the server goes on, says so once, counts, and tries again.
func TestAStateThatCannotBeWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	k, log := keeper(t, dir, "https://one")
	k.member.namespaces.listed()
	log.Reset()
	k.wake()
	now := time.Now()
	k.write(t.Context(), now)
	k.write(t.Context(), now.Add(stateEvery/2))
	k.write(t.Context(), now.Add(stateEvery))
	if got := shown(t, k, "portcullis_state_write_failures_total"); got != 2 {
		t.Errorf("counted %v times", got)
	}
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "writing "+dir+"/state: not a directory") {
		t.Error(got)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	k.write(t.Context(), now.Add(2*stateEvery))
	if again, _ := keeper(t, dir, "https://one"); again.kept == nil {
		t.Error("it is not written when it can be")
	}
}

// Namespaces change all the time; the state is written for their sake only now and then.
func TestNamespacesAreKeptNowAndThen(t *testing.T) {
	dir := t.TempDir()
	k, _ := keeper(t, dir, "https://one")
	k.member.namespaces.listed()
	k.wake()
	now := time.Now()
	k.write(t.Context(), now)
	k.member.namespaces.cache = &listing{labels: map[string]string{"team": "b"}}
	k.member.namespaces.learn(named("work", "b"))
	for _, row := range []struct {
		after time.Duration
		want  string
	}{{time.Second, `"team":"a"`}, {stateEvery, `"team":"b"`}} {
		k.write(t.Context(), now.Add(row.after))
		again, _ := keeper(t, dir, "https://one")
		if got := string(again.kept.Namespaces[0]); !strings.Contains(got, row.want) {
			t.Errorf("after %v: %s", row.after, got)
		}
	}
}
