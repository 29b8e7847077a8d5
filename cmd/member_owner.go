package cmd

import (
	"cmp"
	"context"
	"fmt"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// ownerEvery is how often to ask again for the owner while the cluster does not say.
	ownerEvery = time.Second
	// rightsTime is how long a right may take to arrive that was given a moment ago.
	rightsTime = 10 * time.Second
)

// owner is the release's ClusterRole, with which vanishes what this server has made. It is nil if there is none, or none that this server may
// read; what was made stays then until somebody deletes it. The error says that this could not be told. A role that should be there and is
// not is an error, too: the release may be going this moment.
func (c *member) owner(ctx context.Context) (*metav1.OwnerReference, error) {
	name := cmp.Or(c.flags.owner, c.flags.name)
	role, err := c.client.RbacV1().ClusterRoles().Get(ctx, name, metav1.GetOptions{})
	switch {
	case err == nil:
		return &metav1.OwnerReference{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRole", Name: role.Name, UID: role.UID}, nil
	case apierrors.IsNotFound(err) && c.flags.owner == "":
		c.untied.Do(func() {
			c.log.Warn("what this server makes in the cluster is not tied to a release, and stays when the server goes: " +
				"give it the name of a ClusterRole with --owner, or delete its webhook configurations yourself")
		})
		return nil, nil //nolint:nilnil // nothing is an answer
	case apierrors.IsForbidden(err):
		c.untied.Do(func() {
			c.log.Warn("what this server makes in the cluster is not tied to the release, and stays when that goes: "+
				"give its service account the right to get the ClusterRole, or delete the webhook configurations before you uninstall", "role", name, "error", err)
		})
		return nil, nil //nolint:nilnil // nothing is an answer
	}
	return nil, fmt.Errorf("the ClusterRole %s: %w", name, err)
}

// awaitOwner is the owner when the cluster has said which it is, or nil when ctx has ended. What is made once, as a Secret is, is not made
// anew when it becomes known.
func (c *member) awaitOwner(ctx context.Context) *metav1.OwnerReference {
	told := ""
	ticker := time.NewTicker(ownerEvery)
	defer ticker.Stop()
	for began := time.Now(); ; {
		owner, err := c.owner(ctx)
		if owner != nil || err == nil && (c.flags.owner == "" || time.Since(began) >= rightsTime) {
			return owner
		}
		if err != nil && ctx.Err() == nil && err.Error() != told {
			told = err.Error()
			c.log.Warn("it is not known with what vanishes what this server makes in the cluster; it waits until it is", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// ownerOfLease is for the Lease of this replica, which is not worth waiting for: who ends takes it back.
func (c *member) ownerOfLease(ctx context.Context) *metav1.OwnerReference {
	owner, err := c.owner(ctx)
	if err != nil {
		return nil
	}
	return owner
}
