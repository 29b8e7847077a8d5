package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper/match"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper/settings"
	"github.com/portcullis-dev/portcullis/policies/inventory"
	"github.com/portcullis-dev/portcullis/review"
)

// settled is what the Config and the SyncSets say that were read last.
type settled struct {
	alone   bool // there is no cluster
	reader  settings.Reader
	current atomic.Pointer[settings.Settings]
}

// configure reads the Config and the SyncSets among documents.
func (s *settled) configure(docs []policies.Document) (out []policies.Option, faults policies.Faults) {
	found, faults := s.reader.Read(docs)
	s.current.Store(found)
	if found != nil {
		out = append(out, policies.WithSparing(found))
	}
	if s.alone && len(found.Synced()) > 0 {
		out = append(out, policies.WithSnapshot(nowhere(found.Synced())))
	}
	return out, faults
}

// nowhere is the inventory of a server that should have objects, and no cluster to have them from: who reads it has no answer.
func nowhere(kinds []schema.GroupVersionKind) *inventory.Snapshot {
	var store inventory.Store
	var synced []inventory.Synced
	for _, gvk := range kinds {
		kind := inventory.SyncedKind(gvk)
		synced = append(synced, inventory.Synced{GroupVersionKind: gvk, Of: kind})
		store.Lose(kind, errNoCluster)
	}
	store.Sync(synced, nil)
	return store.Snapshot()
}

var errNoCluster = errors.New("this server has no cluster; start it with --kubeconfig FILE or --in-cluster")

// sparesMutators reports whether Gatekeeper's mutators have nothing to do with a request.
func (s *settled) sparesMutators(req *review.Request, namespace func() (policies.Namespace, error)) bool {
	return s.current.Load().SparesMutation(req, namespace)
}

// syncer has data.inventory hold objects of a cluster. It is a source.Inventory.
type syncer interface {
	Sync(ctx context.Context, kinds []schema.GroupVersionKind, excluded []match.Wildcard)
}

// sync has what policies read at data.inventory be there before they come into force. While none of them looks there, nothing is listed.
func (s *settled) sync(loader *policies.Loader, objects syncer) {
	prepare := loader.Prepare
	loader.Prepare = func(ctx context.Context, set *policies.Set) {
		prepare(ctx, set)
		current := s.current.Load()
		if !set.ReadsInventory() {
			current = nil
		}
		objects.Sync(ctx, current.Synced(), current.Excluded(settings.Sync))
	}
}

// report adds to what loads tell that constraints look where nothing is.
func (s *settled) report(loader *policies.Loader) {
	report := loader.Report
	loader.Report = func(load policies.Load) {
		if note := s.note(load.Set); note != "" {
			load.Notes = append(slices.Clip(load.Notes), note)
		}
		report(load)
	}
}

func (s *settled) note(set *policies.Set) string {
	var looking []string
	if set != nil {
		for _, policy := range set.Policies() {
			if policy.ReadsInventory() && !policy.Spec().Off() {
				looking = append(looking, policy.Spec().ID)
			}
		}
	}
	synced := len(s.current.Load().Synced()) > 0
	switch {
	case len(looking) == 0 || synced && !s.alone:
		return ""
	case synced:
		return fmt.Sprintf("what is at data.inventory comes of a cluster, and this server has none; these have no answer until it is started "+
			"with --kubeconfig FILE or --in-cluster: %s", enumerate(looking))
	}
	return fmt.Sprintf("no Config or SyncSet says what is at data.inventory; there is nothing for these, which read it: %s", enumerate(looking))
}
