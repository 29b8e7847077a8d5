package cmd

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portcullis-dev/portcullis/webhook/registration"
)

const (
	// ownerEvery is how often to ask again for the owner while the cluster does not say.
	ownerEvery = time.Second
	// ownerTime is how long what is to be made waits for its owner. A release that is going has ended this server by then.
	ownerTime = time.Minute
	// rightsTime is how long a right may take to arrive that was given a moment ago.
	rightsTime = 10 * time.Second
)

// owner is the release's ClusterRole, with which vanishes what this server has made. It is nil if there is none, or none that this server may
// read, or if that could not be told for ownerTime; what is made then stays until somebody deletes it. The error says that this could not be
// told yet. A role that should be there and is not is an error, too: the release may be going this moment.
func (c *member) owner(ctx context.Context) (*metav1.OwnerReference, error) {
	owner, err := c.findOwner(ctx)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	lasts, news := c.unowned.note(err)
	switch {
	case apierrors.IsForbidden(err) && (c.flags.owner == "" || lasts >= rightsTime):
		c.untied.Do(func() {
			c.log.Warn("what this server makes in the cluster is not tied to the release, and stays when that goes: "+
				"give its service account the right to get the ClusterRole, or delete the webhook configurations before you uninstall", "error", err)
		})
		return nil, nil //nolint:nilnil // nothing is an answer
	case lasts >= ownerTime:
		if c.unowned.giveUp() {
			c.log.Error("what this server makes in the cluster is no longer tied to the release, and stays when that goes: "+
				"restore the ClusterRole, or delete by hand what is made now", "after", ownerTime, "error", err)
		}
		return nil, nil //nolint:nilnil // nothing is an answer
	case news:
		c.log.Warn("it is not known with what vanishes what this server makes in the cluster; what is not there yet waits for that",
			"at most", ownerTime, "error", err)
	}
	return owner, err
}

// ownerOfRegistration is the owner of what may be registered with Fail. Without --owner nobody says that there is one, and what is registered
// is somebody's to delete; with it there should be, and what goes without it must not be refused by what is left.
func (c *member) ownerOfRegistration(ctx context.Context) (*metav1.OwnerReference, error) {
	owner, err := c.owner(ctx)
	if err == nil && owner == nil && c.flags.owner != "" {
		return nil, fmt.Errorf("%w: restore the ClusterRole %s, or the right to get it", registration.ErrOwnerless, c.flags.owner)
	}
	return owner, err
}

func (c *member) findOwner(ctx context.Context) (*metav1.OwnerReference, error) {
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
	}
	return nil, fmt.Errorf("the ClusterRole %s: %w", name, err)
}

// awaitOwner is the owner when that is known, or when it was waited for long enough. What is made once, as a Secret is, is not made anew when
// it becomes known. An error means that ctx has ended.
func (c *member) awaitOwner(ctx context.Context) (*metav1.OwnerReference, error) {
	ticker := time.NewTicker(ownerEvery)
	defer ticker.Stop()
	for {
		owner, err := c.owner(ctx)
		if err == nil || ctx.Err() != nil {
			return owner, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-ticker.C:
		}
	}
}

// ownerOfLease is for the Lease of this replica, which is not worth waiting for: who ends takes it back.
func (c *member) ownerOfLease(ctx context.Context) *metav1.OwnerReference {
	owner, err := c.findOwner(ctx)
	if err != nil {
		return nil
	}
	return owner
}

// unowned is since when it could not be told with what vanishes what is made here.
type unowned struct {
	mu           sync.Mutex
	err          error
	since, asked time.Time
	gaveUp       bool
}

// note keeps what came of asking. It says for how long nothing has, and whether that is new. What was not asked for long counts as known.
func (u *unowned) note(err error) (lasts time.Duration, news bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := time.Now()
	news = err != nil && (u.err == nil || u.stale(now))
	if err == nil || news {
		u.since, u.gaveUp = now, false
	}
	u.err, u.asked = err, now
	return now.Sub(u.since), news
}

// giveUp reports whether nobody has given up before.
func (u *unowned) giveUp() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	first := !u.gaveUp
	u.gaveUp = true
	return first
}

// fault is why it cannot be told; nil if it can be, or if nobody has asked lately.
func (u *unowned) fault() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.stale(time.Now()) {
		return nil
	}
	return u.err
}

func (u *unowned) metric() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "portcullis_owner_unknown",
		Help: "1 while it cannot be told with what vanishes what this server makes in the cluster.",
	}, func() float64 {
		if u.fault() != nil {
			return 1
		}
		return 0
	})
}

// stale: whoever must know asks more often.
func (u *unowned) stale(now time.Time) bool { return now.Sub(u.asked) > 2*ownerTime }
