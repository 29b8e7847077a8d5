package status

import (
	"sync"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/inventory"
	"github.com/portcullis-dev/portcullis/policies/source"
)

// Ledger keeps what came of loading policies. Every server has one, whether it leads or not, so that whoever leads next knows. Its zero
// value is ready for use.
type Ledger struct {
	mu       sync.Mutex
	load     policies.Load
	versions source.Versions
	changed  func()
}

// Loaded notes what came of a load, and the versions of the objects that it was about.
func (l *Ledger) Loaded(load policies.Load, versions source.Versions) {
	l.mu.Lock()
	l.load, l.versions = load, versions
	changed := l.changed
	l.mu.Unlock()
	if changed != nil {
		changed()
	}
}

func (l *Ledger) onChange(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changed = f
}

// page is the ledger at one moment.
type page struct {
	load     policies.Load
	versions source.Versions
	asking   func(*policies.Policy) Asking // nil if nobody knows
	objects  *inventory.Snapshot           // what is known of the cluster; nil if nobody looks
	counting bool                          // what policies find is counted
}

func (l *Ledger) page() page {
	l.mu.Lock()
	defer l.mu.Unlock()
	return page{load: l.load, versions: l.versions}
}
