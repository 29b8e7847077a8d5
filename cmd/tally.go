package cmd

import (
	"maps"
	"sync"

	"github.com/portcullis-dev/portcullis/policies/status"
	"github.com/portcullis-dev/portcullis/review"
)

// tally counts what each policy found, for the status of the Policy objects. Its zero value is ready for use.
type tally struct {
	mu     sync.Mutex
	counts map[string]status.Counts
}

func (t *tally) add(f review.Finding) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts = map[string]status.Counts{}
	}
	c := t.counts[f.Policy]
	if f.Fault {
		c.Faults++
	} else {
		c.Findings++
	}
	t.counts[f.Policy] = c
}

// counts returns a copy.
func (m *Metrics) counts() map[string]status.Counts {
	m.told.mu.Lock()
	defer m.told.mu.Unlock()
	return maps.Clone(m.told.counts)
}
