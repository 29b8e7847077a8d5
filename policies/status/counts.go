package status

import (
	"cmp"
	"crypto/rand"
	"maps"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/source"
	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
	"github.com/portcullis-dev/portcullis/review"
)

const (
	// recent is how long a Policy whose counts have moved stays in what a server reports, so that whoever leads hears of it in spite of a watch that
	// is begun anew.
	recent = 3 * time.Minute
	// maxReason bounds the message of a fault in a report.
	maxReason = 256
)

// sum is what came of the reviews of a Policy.
type sum struct{ findings, faults int64 }

func (s sum) plus(other sum) sum { return sum{s.findings + other.findings, s.faults + other.faults} }

// since is by how much s is more than other. What is less counts as 0.
func (s sum) since(other sum) sum {
	return sum{max(0, s.findings-other.findings), max(0, s.faults-other.faults)}
}

// Counts are what this server's reviews came to, for each Policy object, since the server was started. Its methods may be called from any
// goroutine.
type Counts struct {
	by  string // tells this process from all others, and from itself as it was before
	uid func(policy string) types.UID
	now func() time.Time

	mu     sync.Mutex
	names  map[string]bool // of the Policy objects in force
	of     map[types.UID]*count
	rounds int
}

// count is what came of the reviews of one Policy, and what was reported of it.
type count struct {
	sum    sum
	fault  *v1alpha1.PolicyFault // the latest; nil if there was none
	moved  time.Time             // when sum became what it is
	owing  time.Time             // since when there is something that no report has said
	said   sum                   // what the Lease was seen to take
	tried  sum                   // what it was given, whether it took it or not
	before sum                   // what it was given before the reports in which it stands now without a gap
	round  int                   // of the report in which it stood last
}

// NewCounts returns Counts of nothing. uid says which Policy of a name the cluster has now; it is called while a request waits.
func NewCounts(uid func(policy string) types.UID) *Counts {
	return &Counts{by: rand.Text(), uid: uid, now: time.Now, of: map[types.UID]*count{}}
}

// Follow has the Policy objects of a set counted, and forgets those that are gone.
func (c *Counts) Follow(set *policies.Set) {
	names, uids := map[string]bool{}, map[types.UID]bool{}
	for _, policy := range set.Policies() {
		// What a directory or a ConfigMap holds has no status, whatever its name.
		if id := policy.Spec().ID; policy.Spec().File == source.PolicyFileName(id) {
			names[id], uids[c.uid(id)] = true, true
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.names = names
	maps.DeleteFunc(c.of, func(uid types.UID, _ *count) bool { return !uids[uid] })
}

// Count counts what came of a review. Only admission says whether a request is a dry run, which must leave nothing in the cluster; at every other
// stage the API server asks about dry runs as about anything, so that nothing is counted there.
func (c *Counts) Count(req *review.Request, d review.Decision) {
	if len(d.Findings) == 0 || req.DryRun || req.Origin != review.FromWebhook || req.Stage != review.Mutate && req.Stage != review.Validate {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	faulty := map[string]bool{}
	for _, f := range d.Findings {
		switch {
		case f.Effect == review.EffectExcepted || !c.names[f.Policy]:
		case !f.Fault:
			c.add(f.Policy, sum{findings: 1}, nil)
		case !faulty[f.Policy]:
			faulty[f.Policy] = true
			fault := &v1alpha1.PolicyFault{Time: metav1.NewTime(c.now().Truncate(time.Second)), Message: review.Sentence(f.Message, maxReason)}
			c.add(f.Policy, sum{faults: 1}, fault)
		}
	}
}

func (c *Counts) add(policy string, more sum, fault *v1alpha1.PolicyFault) {
	uid := c.uid(policy)
	if uid == "" { // it was deleted this moment, or what was kept stands in for the cluster
		return
	}
	n := c.of[uid]
	if n == nil {
		n = &count{}
		c.of[uid] = n
	}
	now := c.now()
	if n.sum == n.said {
		n.owing = now
	}
	n.sum, n.moved, n.fault = n.sum.plus(more), now, cmp.Or(fault, n.fault)
}

// Report says what has moved of late, for replicas.Options: what no report has said yet, what waits longest first, and then, as far as there is
// room, what moved last. What finds no room is in a later report, whole. anew is whether those who hear of it may not know the report before.
func (c *Counts) Report(anew bool) (text string, said func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rounds++
	out := newReport(c.by)
	given := map[types.UID]sum{}
	for _, uid := range c.candidates() {
		n := c.of[uid]
		before := n.before
		if anew || n.round != c.rounds-1 {
			before = n.tried
		}
		e := entry{Findings: span{before.findings, n.sum.findings}, Faults: span{before.faults, n.sum.faults}}
		if n.sum.faults > before.faults {
			e.LastFault = n.fault
		}
		if !out.add(uid, e) {
			break
		}
		n.before, n.tried, n.round = before, n.sum, c.rounds
		given[uid] = n.sum
	}
	return out.text(), func() { c.took(given) }
}

// took notes what a Lease was seen to take.
func (c *Counts) took(given map[types.UID]sum) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for uid, s := range given {
		if n := c.of[uid]; n != nil {
			n.said = s
			if n.sum != s {
				n.owing = n.moved // others may have waited longer
			}
		}
	}
}

// candidates are those of which there is something to say, in the order in which it should be said.
func (c *Counts) candidates() []types.UID {
	now := c.now()
	var owing, told []types.UID
	for uid, n := range c.of {
		switch {
		case n.sum != n.said:
			owing = append(owing, uid)
		case now.Sub(n.moved) < recent:
			told = append(told, uid)
		}
	}
	slices.SortFunc(owing, func(a, b types.UID) int { return cmp.Or(c.of[a].owing.Compare(c.of[b].owing), cmp.Compare(a, b)) })
	slices.SortFunc(told, func(a, b types.UID) int { return cmp.Or(c.of[b].moved.Compare(c.of[a].moved), cmp.Compare(a, b)) })
	return append(owing, told...)
}
