package reports

import (
	"context"
	"slices"
	"time"
)

// Collector deletes the reports of replicas that are gone. It must run on one server at a time, the leader.
type Collector struct {
	Options
	*store

	gone map[string]time.Time // shards that are not alive and have reports, since that is known
	read time.Time
	live []string
}

// NewCollector returns a Collector. The cluster is not called before Run.
func NewCollector(o Options) (*Collector, error) {
	o, s, err := o.complete()
	if err != nil {
		return nil, err
	}
	return &Collector{Options: o, store: s, gone: map[string]time.Time{}}, nil
}

// Run collects until ctx ends; then it returns nil.
func (c *Collector) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	told := ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		said, rest := "", c.times.look
		if err := c.step(ctx, time.Now()); err != nil {
			if said, rest = err.Error(), c.times.retry; said != told && ctx.Err() == nil {
				c.Log.Error("reports of replicas that are gone are still there; trying again", "error", err)
			}
		}
		told = said
		timer.Reset(rest)
	}
}

// step looks for reports of shards that are gone when a replica has come or gone, when the time of one is over, and now and then.
func (c *Collector) step(ctx context.Context, now time.Time) error {
	members, err := c.Members()
	if err != nil {
		return nil //nolint:nilerr // who is not known to be gone is not
	}
	live := []string{label(c.Shard)} // who leads is alive
	for _, name := range members {
		live = append(live, label(name))
	}
	slices.Sort(live)
	over := false
	for shard, since := range c.gone {
		if slices.Contains(live, shard) {
			delete(c.gone, shard)
		} else if now.Sub(since) >= c.times.grace {
			over = true
		}
	}
	if !over && slices.Equal(live, c.live) && now.Sub(c.read) < c.times.resync {
		return nil
	}
	all, err := served(ctx, c.kinds)
	if err != nil {
		return err
	}
	found := map[string]time.Time{}
	var lost []present
	for _, one := range all {
		err := c.names(ctx, one, func(p present) {
			if slices.Contains(live, p.shard) {
				return
			}
			since, known := c.gone[p.shard]
			if !known {
				since = now
			}
			if now.Sub(since) >= c.times.grace {
				lost = append(lost, p)
				return
			}
			found[p.shard] = since
		})
		if err != nil {
			return err
		}
	}
	for _, p := range lost {
		if err := c.remove(ctx, p); err != nil {
			return err
		}
		c.Observer.Wrote("deleted")
	}
	c.gone, c.live, c.read = found, live, now
	return nil
}
