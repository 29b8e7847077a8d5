package source

import (
	"time"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/native"
)

// Kept is what a server knew of the cluster's policies before it was started again.
type Kept struct {
	// Files are those of the bundle, Good the last good versions of Policies among them that were faulty.
	Files, Good []native.File
	// After is how long the cluster may take to list its policies before these are yielded in their place.
	After time.Duration
}

// Live reports whether what was yielded last was listed by the cluster. It is not before anything was, nor while what was kept stands in.
func (o *Objects) Live() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.live
}

// standIn returns the kept bundle if it is time for it, which it is once.
func (o *Objects) standIn(began time.Time) (policies.Bundle, bool) {
	if o.Kept == nil || o.yielded() || time.Since(began) < o.Kept.After {
		return policies.Bundle{}, false
	}
	o.Log.Warn("the cluster's policies cannot be listed; those that were kept stand in until they can", "files", len(o.Kept.Files))
	return o.bundle(o.Kept.Files, o.Kept.Good, nil), true
}

// pause is how long to wait for a change before looking all the same.
func (o *Objects) pause(began time.Time) time.Duration {
	if o.Kept == nil || o.yielded() {
		return poll
	}
	return min(poll, max(0, o.Kept.After-time.Since(began)))
}
