package registration

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Each configuration is mended mendBurst times at once, and then once in mendEvery: a hand that slips is made good before anybody notices, and
// a controller that wants something else is answered 8,640 times a day, not a hundred times a second.
const (
	mendBurst = 10
	mendEvery = 10 * time.Second
)

// bucket holds mendBurst tokens and gets one back each mendEvery. Its zero value is full.
type bucket struct {
	full time.Time // when it will be full again
}

// take takes a token, or else says how long it is to the next one.
func (b *bucket) take(now time.Time) (wait time.Duration, ok bool) {
	full := now
	if b.full.After(now) {
		full = b.full
	}
	full = full.Add(mendEvery)
	if wait = full.Sub(now) - mendBurst*mendEvery; wait > 0 {
		return wait, false
	}
	b.full = full
	return 0, true
}

// rested reports whether nothing was taken for a while.
func (b *bucket) rested(now time.Time) bool { return b.full.Sub(now) <= (mendBurst-2)*mendEvery }

// contest is the way in which one configuration is fought over.
type contest struct {
	bucket
	open bool // it is changed more often than it is mended
}

// rival is the field manager that changed a configuration last, other than this one; empty if nobody knows, as when it was deleted.
func rival(live *object) string {
	name := ""
	if live == nil {
		return name
	}
	var last metav1.Time
	for _, entry := range live.ManagedFields {
		if entry.Manager != manager && entry.Time != nil && (name == "" || last.Before(entry.Time)) {
			name, last = entry.Manager, *entry.Time
		}
	}
	return name
}

// mend reports whether a configuration that somebody else has changed may be mended now, or else how long that must wait.
func (k *Keeper) mend(p place, live *object) (wait time.Duration, ok bool) {
	fight := k.contest(p)
	if wait, ok = fight.take(k.now()); ok {
		k.metrics.drifted(p.label)
		k.log.Warn("somebody else changed or deleted a webhook configuration; it is mended", "configuration", p.String(), "by", rival(live))
		return 0, true
	}
	if !fight.open {
		fight.open = true
		k.metrics.setContested(p.label, true)
		k.log.Error("somebody else keeps changing or deleting a webhook configuration; it is mended more slowly from now on: have them leave it alone",
			"configuration", p.String(), "by", rival(live), "every", mendEvery)
	}
	return wait, false
}

// settled tells that a configuration is found as it was left.
func (k *Keeper) settled(p place) {
	if fight := k.contest(p); fight.open && fight.rested(k.now()) {
		fight.open = false
		k.metrics.setContested(p.label, false)
		k.log.Info("nobody else changes the webhook configuration any more", "configuration", p.String())
	}
}

func (k *Keeper) contest(p place) *contest {
	if k.contests[p] == nil {
		k.contests[p] = &contest{}
	}
	return k.contests[p]
}
