package cmd

import (
	"context"
	"sync"
	"time"
)

// lead does what one replica does for all of them, until ctx ends.
func (c *member) lead(ctx context.Context) {
	c.stand(nil) // what it was when this server led before does not count
	var wg sync.WaitGroup
	defer wg.Wait()
	writer := func(what string, run func(context.Context) error) {
		wg.Go(func() {
			if err := run(ctx); err != nil {
				c.log.Error("what the leader writes is not written any more", "what", what, "error", err)
			}
		})
	}
	wg.Go(func() { c.replicas.Sweep(ctx) })
	told := c.record(ctx)
	wg.Go(func() { c.watchTroubles(ctx, told) })
	if c.status != nil {
		c.status.Events = told
		writer("the status of policies", c.status.Run)
	}
	if c.keeper != nil {
		wg.Go(func() { c.served.run(ctx) })
		writer("webhook configurations", c.keeper.Run)
	}
	if c.rotation != nil {
		writer("certificates", c.rotation.Start)
	}
	if c.request != nil {
		writer("the request for a certificate", c.request.Start)
	}
	if c.theirs != nil {
		writer("the CRDs of constraints", c.theirs.crds.Run)
		writer("the status of Gatekeeper's objects", c.theirStatus.Run)
		if c.auditor != nil {
			writer("what the audit found by constraints", c.theirAudit().RunSum)
		}
	}
	if c.collector != nil {
		writer("which reports are of replicas that are gone", c.collector.Run)
	}
	if c.flags.gatekeeperCRDs {
		writer("the definitions of Gatekeeper's kinds", c.define)
	}
	if c.lastGood != nil {
		writer("the last good versions of faulty policies", c.lastGood.Run)
	}
}

// published is what the API server was told to trust, for the rotation; without --register somebody else tells it.
func (c *member) published(ctx context.Context) ([]byte, error) {
	if c.keeper == nil {
		return c.rotation.CABundle(), nil
	}
	return c.keeper.Published(ctx)
}

// lag is how long the API server was last seen to take to go by what is registered.
func (c *member) lag() time.Duration {
	if c.keeper == nil {
		return 0
	}
	return c.keeper.Lag()
}
