package cmd

import (
	"context"
	"maps"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper/definitions"
	theirstatus "github.com/portcullis-dev/portcullis/policies/gatekeeper/status"
	"github.com/portcullis-dev/portcullis/webhook/replicas"
)

// newTheirStatus returns who writes the status of Gatekeeper's objects, when this server leads.
func newTheirStatus(c *member) *theirstatus.Writer {
	w := theirstatus.NewWriter(c.dynamic, c.flags.name, c.log)
	w.Followed, w.Page, w.Replicas = c.theirs.objects.Followed, c.theirPage, c.theirReplicas
	c.theirs.objects.OnChange(w.Wake)
	return w
}

// theirPage is what this server knows of Gatekeeper's objects now.
func (c *member) theirPage() theirstatus.Page {
	c.mu.Lock()
	out := theirstatus.Page{Load: c.loaded, Versions: c.theirVersions, Warns: c.mutators.rest}
	c.mu.Unlock()
	out.Served, out.CRDs = c.theirs.objects.Served, c.theirs.crds.Errors()
	out.InForce = map[string]string{}
	if out.Load.Set != nil {
		out.InForce = versions(out.Load.Set)
	}
	out.Lacking, out.Unsynced = c.lacking(out.Load.Set), c.unsynced()
	c.mutators.current.Load().versions(out.InForce)
	return out
}

// lacking says, by name, what this server does not know of what the policies of a set that are not off read at data.inventory.
func (c *member) lacking(set *policies.Set) map[string][]string {
	if set == nil {
		return nil
	}
	out, objects, now := map[string][]string{}, c.store.Snapshot(), time.Now()
	for _, policy := range set.Policies() {
		if spec := policy.Spec(); !spec.Off() {
			out[spec.ID] = policy.Lacking(objects, now)
		}
	}
	return out
}

// unsynced says why of kinds that should be at data.inventory nothing is known.
func (c *member) unsynced() map[schema.GroupVersionKind]string {
	out := map[schema.GroupVersionKind]string{}
	for _, kind := range c.store.Snapshot().Status(time.Now()) {
		if gvk, synced := kind.Kind.GroupVersionKind(); synced && !kind.Listed {
			out[gvk] = kind.Why
		}
	}
	return out
}

func (c *member) theirReplicas() ([]theirstatus.Replica, error) {
	members, err := c.replicas.Members()
	if err != nil {
		return nil, err
	}
	var out []theirstatus.Replica
	for _, m := range members {
		out = append(out, theirstatus.Replica{Name: m.Name, Serves: m.Serves})
	}
	return out, nil
}

// stamps are what a replica says in its Lease that it serves, and which of Gatekeeper's objects it has read as far as there is room for that.
// c.mu is held.
func (c *member) stamps(set *policies.Set) replicas.Served {
	serves := c.versions(set)
	all := theirstatus.Observed(c.theirVersions)
	maps.Copy(all, serves)
	if out := replicas.Serving(all); out != "" {
		return out
	}
	return replicas.Serving(serves)
}

// define creates the definitions of Gatekeeper's kinds that the cluster does not have.
func (c *member) define(ctx context.Context) error {
	labels := map[string]string{"app.kubernetes.io/name": "portcullis", "app.kubernetes.io/managed-by": "portcullis"}
	return (&definitions.Installer{Client: c.dynamic, Labels: labels, Log: c.log}).Run(ctx)
}
