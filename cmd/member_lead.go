package cmd

import (
	"context"
	"sync"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// lead does what one replica does for all of them, until ctx ends.
func (c *member) lead(ctx context.Context) {
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
	owner := c.owner(ctx)
	if c.rotation != nil {
		c.rotation.Own(owner)
		writer("certificates", c.rotation.Start)
	}
	if c.request != nil {
		c.request.Own(owner)
		writer("the request for a certificate", c.request.Start)
	}
	if c.status != nil {
		writer("the status of policies", c.status.Run)
	}
	if c.keeper != nil {
		wg.Go(func() { c.served.run(ctx) })
		c.keeper.Own(owner)
		writer("webhook configurations", c.keeper.Run)
	}
}

// owner is the release's ClusterRole, with which vanishes what the leader has made. Without one that stays until somebody deletes it.
func (c *member) owner(ctx context.Context) *metav1.OwnerReference {
	role, err := c.client.RbacV1().ClusterRoles().Get(ctx, c.flags.name, metav1.GetOptions{})
	if err != nil {
		if ctx.Err() == nil && !apierrors.IsNotFound(err) {
			c.log.Warn("what this server makes in the cluster is not tied to the release, and stays when that goes", "error", err)
		}
		return nil
	}
	return &metav1.OwnerReference{
		APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRole", Name: role.Name, UID: role.UID,
	}
}

// published is what the API server was told to trust, for the rotation; without --register somebody else tells it.
func (c *member) published(ctx context.Context) ([]byte, error) {
	if c.keeper == nil {
		return c.rotation.CABundle(), nil
	}
	return c.keeper.Published(ctx)
}
