package source

import (
	"context"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/portcullis-dev/portcullis/policies/gatekeeper/match"
	"github.com/portcullis-dev/portcullis/policies/inventory"
)

// shown is what the Store was last told to show at data.inventory.
type shown struct {
	kinds    []schema.GroupVersionKind
	excluded []match.Wildcard
	begun    bool
}

// Sync has data.inventory hold all objects of the kinds, and nothing else, but for what is in the excluded namespaces. It watches kinds that
// are new and waits for them as Prepare does, while what was there before stays. Call it before policies that read data.inventory come into
// force, by one goroutine at a time; it keeps the lists.
func (i *Inventory) Sync(ctx context.Context, kinds []schema.GroupVersionKind, excluded []match.Wildcard) {
	if i.shows.begun && slices.Equal(kinds, i.shows.kinds) && slices.Equal(excluded, i.shows.excluded) {
		return // else places that were emptied would not stay
	}
	wanted := map[inventory.Kind]*inventory.Need{}
	var synced []inventory.Synced
	for _, gvk := range kinds {
		kind := inventory.SyncedKind(gvk)
		wanted[kind] = inventory.WholeNeed()
		synced = append(synced, inventory.Synced{GroupVersionKind: gvk, Of: kind})
	}
	i.mu.Lock()
	both := maps.Clone(wanted)
	maps.Copy(both, i.synced)
	i.synced = both
	i.wake()
	i.mu.Unlock()
	i.await(ctx, wanted)

	var excludes func(string) bool
	if len(excluded) > 0 {
		excludes = func(namespace string) bool {
			return slices.ContainsFunc(excluded, func(w match.Wildcard) bool { return w.Covers(namespace) })
		}
	}
	i.store.Sync(synced, excludes)
	i.shows = shown{kinds: kinds, excluded: excluded, begun: true}
	i.mu.Lock()
	i.synced = wanted
	i.wake()
	i.mu.Unlock()
}
