package status

import (
	"maps"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
)

const (
	// apart is how long one Policy's counts are not written again.
	apart = time.Minute
	// perSecond is how many Policies have their counts written in a second, and atOnce how many may be after a rest: those of one look.
	perSecond, atOnce = 2, 20
	// remembered is how long it is known how far a server has counted which says no more of it.
	remembered = time.Hour
)

// tally adds up, on the leader, what the servers report, and says what is to be added to the status of each Policy, and when. It adds only what
// is more than it has heard before of the same process, so that nothing is counted twice; what cannot be told from what an earlier leader has
// written is left out.
type tally struct {
	now func() time.Time

	mu    sync.Mutex
	heard map[process]heard // nil while this server does not lead
	due   map[types.UID]*due
	// What is left of perSecond, and when that was worked out.
	left   float64
	filled time.Time
}

// process is one server since it was started, and one Policy of which it reports.
type process struct {
	by  string
	uid types.UID
}

// heard is how far a process has counted.
type heard struct {
	sum sum
	at  time.Time
}

// due is what is to be added to the status of a Policy.
type due struct {
	sum   sum
	fault *v1alpha1.PolicyFault
	since time.Time // when there was something to add
	wrote time.Time // when something was added last
	tried attempt   // a write of which it is not known yet what became of it; the zero value is none
}

// attempt is what was to be added to which counts of a status.
type attempt struct{ to, added sum }

// begin starts anew with what all servers have reported: who led before may have written all of that.
func (t *tally) begin(reports []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	t.heard, t.due, t.left, t.filled = map[process]heard{}, map[types.UID]*due{}, atOnce, now
	for _, text := range reports {
		r, err := readReport(text)
		if err != nil {
			continue // of another version, perhaps: what it says next is told by its own beginning
		}
		for uid, e := range r.Policies {
			t.heard[process{r.By, uid}] = heard{e.now(), now}
		}
	}
}

// end forgets everything: this server does not lead any more.
func (t *tally) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.heard, t.due = nil, nil
}

// leads reports whether begin was called.
func (t *tally) leads() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.heard != nil
}

// hear adds what a server reports anew.
func (t *tally) hear(text string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.heard == nil {
		return nil
	}
	r, err := readReport(text)
	if err != nil {
		return err
	}
	now := t.now()
	for uid, e := range r.Policies {
		key := process{r.By, uid}
		before, known := t.heard[key]
		if !known {
			before.sum = e.before()
		}
		// Reports may come late, but no process counts backwards.
		more := e.now().since(before.sum)
		t.heard[key] = heard{before.sum.plus(more), now}
		if more == (sum{}) {
			continue
		}
		d := t.due[uid]
		if d == nil {
			d = &due{}
			t.due[uid] = d
		}
		if d.sum == (sum{}) {
			d.since = now
		}
		d.sum = d.sum.plus(more)
		if more.faults > 0 {
			d.fault = later(d.fault, e.LastFault)
		}
	}
	return nil
}

// waiting is since when there is something to add to the status of each Policy of which there is.
func (t *tally) waiting() map[types.UID]time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := map[types.UID]time.Time{}
	for uid, d := range t.due {
		if d.sum != (sum{}) {
			out[uid] = d.since
		}
	}
	return out
}

// add adds to a status what is due, and reports whether it did. If the status is not written anyway, it only does when it is time for that Policy's
// counts and there is room for a write. wrote is to be called once the status is written; where that is not known, the next status tells.
func (t *tally) add(uid types.UID, status *v1alpha1.PolicyStatus, anyway bool) (added bool, wrote func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.due[uid]
	if d == nil {
		return false, nil
	}
	is := sumOf(status)
	switch is {
	case d.tried.to.plus(d.tried.added):
		d.settle(d.tried) // that write did take place
	case d.tried.to: // it is not known whether it did; to try the same again cannot add it twice
	default:
		d.tried = attempt{}
	}
	now := t.now()
	if d.sum == (sum{}) || !anyway && (now.Sub(d.wrote) < apart || !t.take(now)) {
		return false, nil
	}
	if d.tried.added == (sum{}) {
		d.tried = attempt{is, d.sum}
	}
	tried := d.tried
	whole := tried.to.plus(tried.added)
	status.Findings, status.Faults = &whole.findings, &whole.faults
	if status.CountedSince == nil {
		status.CountedSince = new(metav1.NewTime(d.since.Truncate(time.Second)))
	}
	status.LastFault = later(status.LastFault, d.fault)
	return true, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if d.tried == tried {
			d.settle(tried)
		}
		d.wrote = now
	}
}

// settle takes off what was written.
func (d *due) settle(a attempt) {
	d.sum, d.tried = d.sum.since(a.added), attempt{}
	if d.sum == (sum{}) {
		d.fault = nil
	}
}

// take takes room for one write, if there is any.
func (t *tally) take(now time.Time) bool {
	t.left = min(atOnce, t.left+now.Sub(t.filled).Seconds()*perSecond)
	t.filled = now
	if t.left < 1 {
		return false
	}
	t.left--
	return true
}

// tidy forgets what is known of Policies that are not there any more, and of processes that say no more.
func (t *tally) tidy(there func(types.UID) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	maps.DeleteFunc(t.heard, func(_ process, h heard) bool { return now.Sub(h.at) > remembered })
	maps.DeleteFunc(t.due, func(uid types.UID, d *due) bool {
		if d.sum == (sum{}) {
			return now.Sub(d.wrote) > apart
		}
		return now.Sub(d.since) > apart && !there(uid)
	})
}

func sumOf(status *v1alpha1.PolicyStatus) (s sum) {
	if status.Findings != nil {
		s.findings = *status.Findings
	}
	if status.Faults != nil {
		s.faults = *status.Faults
	}
	return s
}

// later is the later of two faults, of which either may be nil.
func later(a, b *v1alpha1.PolicyFault) *v1alpha1.PolicyFault {
	if a == nil || b != nil && a.Time.Before(&b.Time) {
		return b
	}
	return a
}
