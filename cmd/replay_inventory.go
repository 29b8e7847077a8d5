package cmd

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper/settings"
	"github.com/portcullis-dev/portcullis/policies/inventory"
	"github.com/portcullis-dev/portcullis/policies/source"
)

// seeing has policies see the objects that the cluster has now. Kinds that cannot be listed are not known: who reads them has no answer, for that reason.
func (c *replayCluster) seeing(ctx context.Context, all *judgement, documents []policies.Document) (*policies.Set, error) {
	needs := all.set.Needs()
	if len(needs) == 0 && !all.set.ReadsInventory() {
		return all.set, nil
	}
	store := &inventory.Store{}
	objects, err := source.NewInventory(c.config, store, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, fmt.Errorf("--kubeconfig: %w", err)
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- objects.Run(running) }()
	objects.Prepare(ctx, needs)
	if all.set.ReadsInventory() {
		found, _ := new(settings.Reader).Read(documents) // what is wrong with them was told when they were loaded
		objects.Sync(ctx, found.Synced(), found.Excluded(settings.Sync))
	}
	seen := store.Snapshot().Still() // before the watches end, which would be lost kinds
	stop()
	if err := <-ended; err != nil {
		return nil, fmt.Errorf("the cluster's objects: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return policies.NewSet(all.set.Policies(), append(all.options, policies.WithSnapshot(seen))...), nil
}
