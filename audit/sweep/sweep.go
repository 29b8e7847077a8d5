package sweep

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portcullis-dev/portcullis/audit"
)

// Observer hears how a sweep fares. Its methods must return at once and may be called from any goroutine.
type Observer interface {
	// Judged is called for every object that was looked at closely, with the worst that policies said of it; "skipped" is none was asked.
	Judged(outcome audit.Outcome)
	// Listed is called when a resource was listed to its end and what had to be judged of it was, with the time that took.
	Listed(resource string, took time.Duration)
}

// Options say how to sweep. The zero value of each but Cluster is a usable one.
type Options struct {
	Cluster Cluster
	// Own is what this replica is called, and Members tells which are alive, by the same names; an error is that this is not known, and changes
	// nothing. Nil is that this is the only one.
	Own     string
	Members func() ([]string, error)
	// Busy reports whether requests are under way, for which judging waits, though not for ever.
	Busy func() bool
	// Interval is after how long everything is judged again although nothing calls for it: for policies that depend on the time of day, and for what
	// nobody has thought of. Zero is an hour.
	Interval time.Duration
	// MaxResults bounds the results that are kept; zero is audit.MaxResults.
	MaxResults int
	Observer   Observer
	Log        *slog.Logger

	times times
	limit int // objects in a page
}

// times are the pauses, or those of a test that cannot wait so long.
type times struct{ look, discover, gather time.Duration }

// The times of a sweep. With a Lease that counts for 15 seconds, one look a second leaves four of the 20 in which the objects of a replica that died
// are to be judged by others.
const (
	lookEvery     = time.Second
	discoverEvery = 30 * time.Second
	// gatherFor is how often at most policies are asked again because what they read beside the object has changed; where that takes long, ten times
	// as long.
	gatherFor = 10 * time.Second
	// atATime bounds the resources that are being listed, each with two pages in memory: one that is judged, and the next one.
	atATime = 2
	// patience bounds how long one judgement waits for requests to end: under lasting load some are made all the same.
	patience = 50 * time.Millisecond
	// grace is how long who has just begun waits to learn of the other replicas, so as not to judge what is theirs.
	grace = 15 * time.Second
)

type deaf struct{}

func (deaf) Judged(audit.Outcome)         {}
func (deaf) Listed(string, time.Duration) {}

// Sweep finds and judges the objects of a cluster. Its methods may be called from any goroutine, at any time.
type Sweep struct {
	options Options
	cluster Cluster
	lists   chan struct{}
	room    *room
	share   atomic.Pointer[share]
	force   atomic.Pointer[force]
	looks   chan struct{} // something may have to be followed, or not any more

	mu        sync.Mutex
	names     names
	resources []Resource
	troubled  string // why not all resources are known
	listed    bool   // resources were
	followed  *force // whose resources are all among kinds
	kinds     map[Resource]*kind
	touched   map[string]bool      // policies whose surroundings have changed
	rests     map[string]time.Time // until when they are not asked again for that
	expired   map[string]time.Time // the Until of policies that have been asked again since
}

// force is what is in force.
type force struct {
	*Policies
	numbers map[string]number // of those that are audited
}

// New returns a Sweep. The cluster is not called before Run.
func New(o Options) (*Sweep, error) {
	if o.Cluster == nil {
		return nil, errors.New("there is no sweep without a cluster")
	}
	if o.Observer == nil {
		o.Observer = deaf{}
	}
	if o.Busy == nil {
		o.Busy = func() bool { return false }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Interval <= 0 {
		o.Interval = time.Hour
	}
	if o.MaxResults <= 0 {
		o.MaxResults = audit.MaxResults
	}
	if o.times == (times{}) {
		o.times = times{lookEvery, discoverEvery, gatherFor}
	}
	if o.limit == 0 {
		o.limit = pageLimit
	}
	s := &Sweep{
		options: o, cluster: o.Cluster, lists: make(chan struct{}, atATime), room: &room{left: o.MaxResults}, looks: make(chan struct{}, 1),
		kinds: map[Resource]*kind{}, touched: map[string]bool{}, rests: map[string]time.Time{}, expired: map[string]time.Time{},
	}
	alone := newShare(o.Own, nil)
	s.share.Store(&alone)
	s.force.Store(&force{Policies: &Policies{}})
	return s, nil
}

// Use puts policies in force. Objects are judged again by those that are new or say something else than before, and by no others; what was said by
// those that are gone is forgotten.
func (s *Sweep) Use(p *Policies) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, next := s.force.Load(), &force{Policies: p, numbers: map[string]number{}}
	old := before.byID()
	changed := map[number]func(Resource) bool{}
	for _, policy := range p.List {
		if policy.Unaudited != "" {
			continue
		}
		n := s.names.of(policy.ID)
		next.numbers[policy.ID] = n
		was, known := old[policy.ID]
		if !known || was.Version != policy.Version || was.Unaudited != "" {
			changed[n] = func(r Resource) bool { return policy.concerns(r) || was.concerns(r) }
		}
		delete(old, policy.ID)
	}
	s.force.Store(next)
	s.room.changes.Add(1)
	for id := range old {
		if n, audited := before.numbers[id]; audited {
			s.without(n)
		}
	}
	for n, concerns := range changed {
		s.ask(n, concerns)
	}
	s.wake()
}

// without has nothing known of what a policy said. mu is held.
func (s *Sweep) without(n number) {
	for _, k := range s.kinds {
		k.shelf.without(func(one number) bool { return one == n })
	}
}

// ask has objects of resources judged again by one policy. mu is held.
func (s *Sweep) ask(n number, of func(Resource) bool) {
	for _, k := range s.kinds {
		if of(k.resource) {
			k.want(want{list: true, policies: map[number]bool{n: true}})
		}
	}
}

// Touch says that what policies read beside the object has changed. They are asked again about all objects that concern them, but not more often than
// every ten seconds, nor than a tenth of the time.
func (s *Sweep) Touch(policies ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range policies {
		s.touched[id] = true
	}
}

// inForce is what is in force now.
func (s *Sweep) inForce() *force { return s.force.Load() }

// number is that of a policy, if it is in force.
func (s *Sweep) number(id string) (number, bool) {
	n, ok := s.force.Load().numbers[id]
	return n, ok
}

// pace waits while requests are under way, for a while.
func (s *Sweep) pace(ctx context.Context) {
	for waited := time.Duration(0); waited < patience && s.options.Busy(); waited += time.Millisecond {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Millisecond):
		}
	}
}

func (s *Sweep) observe(j judged) {
	switch {
	case j.err != nil:
		s.options.Observer.Judged(audit.Fault)
	case j.Skipped != "":
		s.options.Observer.Judged("skipped")
	default:
		worst := uint8(0)
		for _, r := range j.Results {
			worst = max(worst, rank(r.Outcome))
		}
		s.options.Observer.Judged(ranks()[worst])
	}
}
