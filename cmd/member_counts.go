package cmd

import (
	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/status"
	"github.com/portcullis-dev/portcullis/review"
	"github.com/portcullis-dev/portcullis/webhook/replicas"
)

// reporting is the group with what this server's reviews came to in its Lease. The leader adds up what all servers say.
func (c *member) reporting() replicas.Options {
	group := c.group()
	if c.objects == nil { // there are no Policies whose status could say it
		return group
	}
	c.counts = status.NewCounts(c.objects.UID)
	group.Report = c.counts.Report
	group.Hear = func(report string) { c.status.Hear(report) }
	return group
}

// count is a Wiring.Count.
func (c *member) count() func(*review.Request, review.Decision) {
	if c.counts == nil {
		return nil
	}
	return c.counts.Count
}

// follow has those policies counted that are in force now.
func (c *member) follow(set *policies.Set) {
	if set != nil {
		c.counts.Follow(set)
	}
}
