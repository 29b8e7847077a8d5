package cmd

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"

	"github.com/portcullis-dev/portcullis/review"
)

const (
	// troublesEvery is how often to look for trouble. What is over when looked at again is not told: replicas and API servers restart.
	troublesEvery = 5 * time.Second
	// maxNote is what the API server lets the note of an Event be.
	maxNote = 1024
)

// trouble is what is wrong and has no object whose status could say so.
type trouble struct {
	reason, action string
	about          string // one thing among those of the reason
	text           string
}

// watchTroubles makes Events of troubles until ctx ends. They are about the Lease of the leader: it is there however Portcullis was
// installed.
func (c *member) watchTroubles(ctx context.Context, told events.EventRecorder) {
	if told == nil {
		return
	}
	ticker := time.NewTicker(troublesEvery)
	defer ticker.Stop()
	before := map[[2]string]bool{}
	for {
		now := map[[2]string]bool{}
		var lasting []trouble
		for _, t := range c.troubles() {
			key := [2]string{t.reason, t.about}
			if before[key] {
				lasting = append(lasting, t)
			}
			now[key] = true
		}
		before = now
		c.tellOf(ctx, told, lasting)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (c *member) tellOf(ctx context.Context, told events.EventRecorder, troubles []trouble) {
	if len(troubles) == 0 {
		return
	}
	// As it is now: Events about one version of an object that differ in their notes alone would be taken for one.
	lease, err := c.client.CoordinationV1().Leases(c.flags.namespace).Get(ctx, c.flags.name+"-leader", metav1.GetOptions{})
	if err != nil {
		return // an API server that does not answer takes no Events either
	}
	for _, t := range troubles {
		told.Eventf(lease, nil, corev1.EventTypeWarning, t.reason, t.action, "%s", review.Sentence(t.text, maxNote))
	}
}

// troubles are what is wrong now, as far as this server knows.
func (c *member) troubles() []trouble {
	c.mu.Lock()
	loaded, standing := c.loaded, c.standing
	c.mu.Unlock()
	var out []trouble
	for _, fault := range loaded.Faults {
		if text := fault.Err.Error(); !ofObject(fault.File) {
			out = append(out, trouble{"PolicyFaulty", "Load", fault.File + fault.Policy + text, text})
		}
	}
	for _, kind := range c.store.Snapshot().Status(time.Now()) {
		if kind.Why == "" {
			continue
		}
		text := fmt.Sprintf("policies read %s: %s", kind.Kind, kind.Why)
		if _, synced := kind.Kind.GroupVersionKind(); synced {
			text = fmt.Sprintf("a Config or SyncSet names %s, and constraints that read it at data.inventory have no answer: %s", kind.Kind, kind.Why)
		}
		out = append(out, trouble{"KindMissing", "Watch", string(kind.Kind), text})
	}
	out = append(out, c.theirs.troubles()...)
	if err := c.identity.fault(); err != nil {
		out = append(out, trouble{
			"CertificateFaulty", "Serve", "",
			"the certificate cannot be used; the last good one, if any, is served: " + err.Error(),
		})
	}
	if err := c.unowned.fault(); err != nil && !apierrors.IsForbidden(err) {
		out = append(out, trouble{
			"OwnerUnknown", "Own", "",
			fmt.Sprintf("it is not known with what vanishes what this server makes in the cluster; what is there is kept, and what is missing waits %s "+
				"and is then made to stay until somebody deletes it; restore the ClusterRole: %v", ownerTime, err),
		})
	}
	if standing != nil && standing.Err != nil {
		out = append(out, trouble{
			"RegistrationFailed", "Register", "",
			"the webhook configurations are not as they should be; what is registered stays: " + standing.Err.Error(),
		})
	}
	return append(out, c.auditTroubles(time.Now())...)
}

// ofObject reports whether messages call an object so that tells of its faults itself.
func ofObject(file string) bool {
	for _, kind := range []string{"policy/", "policyexception/", "configmap/"} {
		if strings.HasPrefix(file, kind) {
			return true
		}
	}
	return false
}
