package source

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/portcullis-dev/portcullis/policies/gatekeeper/match"
	"github.com/portcullis-dev/portcullis/policies/inventory"
)

// synced prints data.inventory, or why it cannot be relied on.
func synced(t *testing.T, store *inventory.Store) func() string {
	return func() string {
		snapshot := store.Snapshot()
		if err := snapshot.CheckSynced(time.Now(), nil); err != nil {
			return err.Error()
		}
		value, err := snapshot.Read(t.Context(), nil, []string{"inventory"})
		if err != nil {
			return "nothing"
		}
		return strings.ReplaceAll(fmt.Sprint(value), " ", "")
	}
}

func pods() schema.GroupVersionKind { return schema.GroupVersionKind{Version: "v1", Kind: "Pod"} }

func TestSync(t *testing.T) {
	c := &fakeServer{pods: []unstructured.Unstructured{podNamed("a", "n1")}}
	i, store := followed(t, c)
	seen := synced(t, store)
	const whole = `{"namespace":{"shop":{"v1":{"Pod":{"a":{"apiVersion":"v1","kind":"Pod",` +
		`"metadata":{"name":"a","namespace":"shop","resourceVersion":"2"},"spec":{"nodeName":"n1","other":"large"}}}}}}}`
	steps := []struct {
		what     string
		kinds    []schema.GroupVersionKind
		excluded []match.Wildcard
		want     string
	}{
		{"nothing", nil, nil, "nothing"},
		{"Pods", []schema.GroupVersionKind{pods()}, nil, whole},
		{"Pods again", []schema.GroupVersionKind{pods()}, nil, whole},
		{"their namespace excluded", []schema.GroupVersionKind{pods()}, []match.Wildcard{"sh*"}, "nothing"},
		{"another namespace excluded", []schema.GroupVersionKind{pods()}, []match.Wildcard{"kube-*", "*shop-2"}, whole},
		{"nothing any more", nil, nil, "nothing"},
	}
	for _, step := range steps {
		i.Sync(t.Context(), step.kinds, step.excluded)
		if got := seen(); got != step.want { // at once: Sync has waited
			t.Errorf("%s: got  %s\nwant %s", step.what, got, step.want)
		}
	}
	// What was emptied stays, empty, as long as the same is synced.
	i.Sync(t.Context(), []schema.GroupVersionKind{pods()}, nil)
	store.Update("v1/Pod", time.Now(), inventory.Change{Namespace: "shop", Name: "a"})
	i.Sync(t.Context(), []schema.GroupVersionKind{pods()}, nil)
	if got, want := seen(), `{"namespace":{"shop":{"v1":{"Pod":{}}}}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	i.Sync(t.Context(), nil, nil)
	// What nobody asks for is not kept, and not followed.
	eventually(t, "[]", func() string { return fmt.Sprint(store.Snapshot().Kinds()) })
	// What policies declare is apart from it, and pruned.
	i.Prepare(t.Context(), needing(time.Minute, "nodeName"))
	i.Sync(t.Context(), []schema.GroupVersionKind{pods()}, nil)
	i.Follow(needing(time.Minute, "nodeName"))
	if got := seen() + podsIn(t, store)(); got != whole+`{"shop":{"a":{"spec":{"nodeName":"n1"}}}}` {
		t.Errorf("both: %s", got)
	}
	i.Sync(t.Context(), nil, nil)
	eventually(t, "[pods]", func() string { return fmt.Sprint(store.Snapshot().Kinds()) })
}

// While a kind that is synced was not listed, nothing can be said by data.inventory, unless there is no such kind. What was there before stays
// while what is new is waited for.
func TestSyncOfWhatCannotBeHad(t *testing.T) {
	for name, c := range map[string]struct {
		missing, refused error
		want             string
	}{
		"no such kind":     {missing: errNoSuchKind, want: "nothing"},
		"cannot be listed": {missing: errNoList, want: "nothing is known of v1/Pod: it is a kind that cannot be listed and watched"},
		"not allowed": {
			refused: apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", errors.New("no")),
			want: "nothing is known of v1/Pod: this server may not list and watch it; its service account needs a role with these two verbs, " +
				"which the chart's value rbac.inventory gives it",
		},
	} {
		t.Run(name, func(t *testing.T) {
			i, store := followed(t, &fakeServer{missing: c.missing, refused: c.refused})
			i.Sync(t.Context(), []schema.GroupVersionKind{pods()}, nil)
			if got := synced(t, store)(); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if err := i.Ready(); err != nil {
				t.Errorf("as ready as it will ever be: %v", err)
			}
		})
	}
	c := &fakeServer{pods: []unstructured.Unstructured{podNamed("a", "n1")}}
	i, store := followed(t, c)
	i.Sync(t.Context(), []schema.GroupVersionKind{pods()}, nil)
	before := synced(t, store)()
	c.set(func() { c.missing = apierrors.NewServiceUnavailable("later") })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	nodes := schema.GroupVersionKind{Version: "v1", Kind: "Node"}
	go func() {
		defer close(done)
		i.Sync(ctx, []schema.GroupVersionKind{nodes}, nil)
	}()
	eventually(t, "the cluster cannot be asked for it now", func() string { return fmt.Sprint(store.Snapshot().Lost("v1/Node")) })
	if got := synced(t, store)(); got != before {
		t.Errorf("while the new kind is waited for: %s", got)
	}
	cancel()
	<-done
	if got, want := synced(t, store)(), "nothing is known of v1/Node: the cluster cannot be asked for it now"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
