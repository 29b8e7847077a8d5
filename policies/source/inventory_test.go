package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/portcullis-dev/portcullis/policies/inventory"
)

// fakeServer serves Pods, one list and one watch at a time.
type fakeServer struct {
	mu       sync.Mutex
	missing  error // what find says
	refused  error // what list and watch say
	pods     []unstructured.Unstructured
	watches  []*watch.FakeWatcher
	timeouts []int64
	metadata []bool
	mayNot   []string // verbs
	mute     error    // what may says
}

func (c *fakeServer) set(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
}

func (c *fakeServer) find(_ context.Context, kind inventory.Kind) (servedAt, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return servedAt{GroupVersionResource: schema.GroupVersionResource{Version: "v1", Resource: string(kind)}, namespaced: true}, c.missing
}

func (c *fakeServer) of(_ servedAt, onlyMetadata bool) listWatcher {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.metadata = append(c.metadata, onlyMetadata)
	return c
}

func (c *fakeServer) may(ctx context.Context, verb string, _ schema.GroupResource) (bool, error) {
	if c.mute != nil {
		return false, c.mute
	}
	return !slices.Contains(c.mayNot, verb), ctx.Err()
}

func (c *fakeServer) list(context.Context, metav1.ListOptions) (runtime.Object, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused != nil {
		return nil, c.refused
	}
	return &unstructured.UnstructuredList{
		Object: map[string]any{"metadata": map[string]any{"resourceVersion": "1"}}, Items: append([]unstructured.Unstructured{}, c.pods...),
	}, nil
}

func (c *fakeServer) watch(_ context.Context, options metav1.ListOptions) (watch.Interface, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused != nil {
		return nil, c.refused
	}
	w := watch.NewFakeWithChanSize(100, false)
	c.watches = append(c.watches, w)
	c.timeouts = append(c.timeouts, *options.TimeoutSeconds)
	return w, nil
}

func (c *fakeServer) client() any { return plain{} }

func podNamed(name, node string) unstructured.Unstructured {
	return unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"namespace": "shop", "name": name, "resourceVersion": "2"},
		"spec": map[string]any{"nodeName": node, "other": "large"},
	}}
}

// needing is a need of fields below spec.
func needing(stale time.Duration, members ...string) map[inventory.Kind]*inventory.Need {
	f := &inventory.Fields{}
	for _, name := range members {
		f.Add([]inventory.Step{{Any: true}, {Any: true}, {Name: "spec"}, {Name: name}}, true)
	}
	return map[inventory.Kind]*inventory.Need{"pods": {Fields: f, MaxStaleness: stale}}
}

// followed runs an Inventory for the time of the test.
func followed(t *testing.T, server apiServer) (*Inventory, *inventory.Store) {
	t.Helper()
	store := &inventory.Store{}
	i := newInventory(server, store, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- i.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return i, store
}

// eventually waits until what is seen is what is wanted.
func eventually(t *testing.T, want string, seen func() string) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for {
		got := seen()
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %s\nwant %s", got, want)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func podsIn(t *testing.T, store *inventory.Store) func() string {
	return func() string {
		value, err := store.Snapshot().Read(t.Context(), nil, []string{"kubernetes", "pods"})
		if err != nil {
			if why := store.Snapshot().Lost("pods"); why != nil {
				return why.Error()
			}
			return "unknown"
		}
		return strings.ReplaceAll(fmt.Sprint(value), " ", "")
	}
}

func TestInventoryFollowsTheCluster(t *testing.T) {
	c := &fakeServer{pods: []unstructured.Unstructured{podNamed("a", "n1")}}
	i, store := followed(t, c)
	if err := i.Ready(); err != nil {
		t.Error(err)
	}
	i.Prepare(t.Context(), needing(time.Minute, "nodeName"))
	if err := i.Ready(); err != nil {
		t.Error(err)
	}
	eventually(t, `{"shop":{"a":{"spec":{"nodeName":"n1"}}}}`, podsIn(t, store))
	var w *watch.FakeWatcher
	eventually(t, "1", func() string {
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.watches) > 0 {
			w = c.watches[0]
		}
		return fmt.Sprint(len(c.watches))
	})
	b := podNamed("b", "n2")
	w.Add(&b)
	moved := podNamed("a", "n3")
	w.Modify(&moved)
	eventually(t, `{"shop":{"a":{"spec":{"nodeName":"n3"}},"b":{"spec":{"nodeName":"n2"}}}}`, podsIn(t, store))
	w.Delete(&moved)
	eventually(t, `{"shop":{"b":{"spec":{"nodeName":"n2"}}}}`, podsIn(t, store))
	// A bookmark is all that is heard of a kind in which nothing happens.
	store.Heard("pods", time.Now().Add(-time.Hour))
	bookmark := podNamed("", "")
	w.Action(watch.Bookmark, &bookmark)
	eventually(t, "<nil>", func() string {
		return fmt.Sprint(store.Snapshot().Check("pods", needing(time.Minute, "nodeName")["pods"], time.Now()))
	})
	c.mu.Lock()
	seconds := c.timeouts[0]
	c.mu.Unlock()
	if seconds < 22 || seconds > 30 {
		t.Errorf("a watch of what may be a minute old is asked for %d seconds", seconds)
	}
	i.Follow(nil)
	eventually(t, "unknown", podsIn(t, store))
}

// When more is read, what was known serves on until the wider list is there.
func TestInventoryWidens(t *testing.T) {
	c := &fakeServer{pods: []unstructured.Unstructured{podNamed("a", "n1")}}
	i, store := followed(t, c)
	i.Prepare(t.Context(), needing(time.Minute, "nodeName"))
	eventually(t, "1", func() string { c.mu.Lock(); defer c.mu.Unlock(); return fmt.Sprint(len(c.watches)) })
	c.set(func() { c.refused = apierrors.NewServiceUnavailable("later") })
	ctx, cancel := context.WithCancel(t.Context())
	prepared := make(chan struct{})
	go func() {
		defer close(prepared)
		i.Prepare(ctx, needing(time.Minute, "other"))
	}()
	eventually(t, "true", func() string {
		status := store.Snapshot().Status(time.Now())
		return fmt.Sprint(len(status) == 1 && status[0].Listed && status[0].Why == "the cluster cannot be asked for it now")
	})
	if got := podsIn(t, store)(); got != `{"shop":{"a":{"spec":{"nodeName":"n1"}}}}` {
		t.Errorf("meanwhile there is %s", got)
	}
	c.set(func() { c.refused = nil })
	eventually(t, `{"shop":{"a":{"spec":{"nodeName":"n1","other":"large"}}}}`, podsIn(t, store))
	eventually(t, "true", func() string { c.mu.Lock(); defer c.mu.Unlock(); return fmt.Sprint(c.watches[0].IsStopped()) }) // or it would write narrow objects between the wide ones
	<-prepared
	cancel()
	i.Follow(needing(time.Minute, "other"))
	eventually(t, `{"shop":{"a":{"spec":{"other":"large"}}}}`, podsIn(t, store))
}

func TestWhatCannotBeHad(t *testing.T) {
	for want, fault := range map[string]func(*fakeServer){
		"the cluster has no such kind":                   func(c *fakeServer) { c.missing = errNoSuchKind },
		"it is a kind that cannot be listed and watched": func(c *fakeServer) { c.missing = errNoList },
		"the cluster cannot be asked for it now":         func(c *fakeServer) { c.missing = errors.New("connection refused") },
		"this server may not list and watch it; its service account needs a role with these two verbs, which the chart's value rbac.inventory gives it": func(c *fakeServer) {
			c.refused = apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", errors.New("RBAC"))
		},
	} {
		c := &fakeServer{}
		fault(c)
		i, store := followed(t, c)
		ctx, cancel := context.WithCancel(t.Context())
		prepared := make(chan struct{})
		go func() {
			i.Prepare(ctx, needing(time.Minute, "nodeName"))
			close(prepared)
		}()
		eventually(t, want, podsIn(t, store))
		if want == errNotNow.Error() { // it may be there in a moment, and is waited for
			cancel()
		}
		<-prepared
		cancel()
		if err := i.Ready(); err != nil {
			t.Error(err)
		}
	}
}

// A list that fails later leaves what is known, which ages; a kind that vanishes takes it along.
func TestAKindThatVanishes(t *testing.T) {
	c := &fakeServer{pods: []unstructured.Unstructured{podNamed("a", "n1")}}
	i, store := followed(t, c)
	i.Prepare(t.Context(), needing(time.Minute, "nodeName"))
	eventually(t, "1", func() string { c.mu.Lock(); defer c.mu.Unlock(); return fmt.Sprint(len(c.watches)) })
	c.set(func() {
		c.refused, c.missing = apierrors.NewNotFound(schema.GroupResource{Resource: "pods"}, ""), errNoSuchKind
		c.watches[0].Stop()
	})
	eventually(t, "the cluster has no such kind", podsIn(t, store))
}

func TestReadyNamesWhatIsMissing(t *testing.T) {
	i := newInventory(&fakeServer{}, &inventory.Store{}, slog.New(slog.DiscardHandler))
	i.Follow(needing(time.Minute, "nodeName"))
	if err := i.Ready(); err == nil || err.Error() != "the cluster's pods have not been listed yet" {
		t.Error(err)
	}
}

// Of a kind of which only metadata are read, only metadata are fetched.
func TestOnlyMetadataAreFetched(t *testing.T) {
	c := &fakeServer{}
	i, _ := followed(t, c)
	f := &inventory.Fields{}
	f.Add([]inventory.Step{{Any: true}, {Any: true}, {Name: "metadata"}, {Name: "labels"}}, true)
	i.Prepare(t.Context(), map[inventory.Kind]*inventory.Need{"pods": {Fields: f, MaxStaleness: time.Minute}})
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.metadata) != 1 || !c.metadata[0] {
		t.Errorf("%v", c.metadata)
	}
}
