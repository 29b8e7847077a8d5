package policies

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/portcullis-dev/portcullis/policies/inventory"
)

// AuditVersion names what the policy says to Audit: equal for what says the same of the same object, as far as that lies in the Set. until is when it
// may say something else all the same, because an exception expires; zero is never.
func (s *Set) AuditVersion(p *Policy) (version string, until time.Time) {
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\n", p.spec.Digest)
	now := s.now()
	for _, e := range s.exceptions.byPolicy[p.spec.ID] {
		if !now.Before(e.Expires) {
			continue
		}
		fmt.Fprintf(sum, "exception %s %s\n", e.name(), e.Digest)
		if until.IsZero() || e.Expires.Before(until) {
			until = e.Expires
		}
	}
	if s.external != nil && p.calls != nil {
		fmt.Fprintf(sum, "external data %s\n", s.external.Revision())
	}
	if p.spec.Convention == Gatekeeper { // a Config among them says what is spared
		for _, text := range s.beside {
			fmt.Fprintln(sum, text)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), until
}

// ReadsNamespace reports whether the policy may say something else of an object because of the Namespace that it is in.
func (p *Policy) ReadsNamespace() bool {
	return p.needsNamespace || p.spec.Match.NamespaceLabels != nil || p.spec.Convention == Gatekeeper
}

// ReadsOthers reports whether what the policy reads of other objects differs between two snapshots of one Store, of which the first may be nil.
func (p *Policy) ReadsOthers(before, now *inventory.Snapshot) bool {
	if p.ReadsInventory() && !now.ShowsSynced(before) {
		return true
	}
	for kind := range p.needs {
		if !now.Shows(kind, before) {
			return true
		}
	}
	return false
}
