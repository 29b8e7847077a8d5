package status

import (
	"slices"
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
	// What the last sets of policies held: while replicas move from one to the next, most policies are the same in both.
	sets    []set
	changed func()
}

type set struct {
	revision string
	digests  map[string]string // by policy
}

// keptSets is how many sets are known. A replica that serves an older one is far behind, and counts as not serving.
const keptSets = 16

// Loaded notes what came of a load, and the versions of the objects that it was about.
func (l *Ledger) Loaded(load policies.Load, versions source.Versions) {
	l.mu.Lock()
	l.load, l.versions = load, versions
	if load.Set != nil {
		s := set{load.Set.Revision(), map[string]string{}}
		for _, p := range load.Set.Policies() {
			s.digests[p.Spec().ID] = p.Spec().Digest
		}
		l.sets = slices.DeleteFunc(l.sets, func(old set) bool { return old.revision == s.revision })
		l.sets = append(l.sets[max(0, len(l.sets)-keptSets+1):], s)
	}
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
	sets     []set
	objects  *inventory.Snapshot // what is known of the cluster; nil if nobody looks
}

func (l *Ledger) page() page {
	l.mu.Lock()
	defer l.mu.Unlock()
	return page{load: l.load, versions: l.versions, sets: slices.Clone(l.sets)}
}

// serves reports whether a replica that serves a set of that revision serves the policy in that version.
func (p page) serves(revision, policy, digest string) bool {
	return slices.ContainsFunc(p.sets, func(s set) bool { return s.revision == revision && s.digests[policy] == digest })
}
