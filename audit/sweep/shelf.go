package sweep

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unique"

	"github.com/portcullis-dev/portcullis/audit"
	"github.com/portcullis-dev/portcullis/review"
)

// maxOfObject bounds the results that are kept of one object; what is beyond is counted.
const maxOfObject = 100

// shelf holds what is known of the objects of one resource. Its methods may be called from any goroutine.
type shelf struct {
	room *room // of all shelves

	mu       sync.Mutex
	objects  map[key]entry
	profiles profiles
	details  map[key]*detail // of objects of which something is said
	skipped  []string        // the reasons for which objects were not judged
	tallies  tally
	trouble  string
}

// entry is all that is kept of an object of which nothing is said.
type entry struct {
	profile uint32
	version uint32 // a hash of its UID and resourceVersion
	epoch   uint32 // of the list in which it was last seen
	state   state
}

// state says what came of an object as a whole: from skippedFrom on, for which reason it was not judged.
type state uint16

const (
	evaluated state = iota
	errored
	skippedFrom
)

// tally counts objects by their state.
type tally map[state]int

// detail is what is said of one object.
type detail struct {
	version, namespace, name, uid string
	results                       []kept
	omitted                       int // beyond a bound
}

type kept struct {
	policy         number
	outcome        uint8
	message, field unique.Handle[string]
	exception      *review.Exception
	since          int64 // Unix seconds
}

// room bounds the results that are kept, on all shelves together.
type room struct {
	changes atomic.Uint64 // of what is known

	mu   sync.Mutex
	left int
}

func (r *room) take(n int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n = min(n, r.left)
	r.left -= n
	return n
}

func (r *room) give(n int) {
	r.mu.Lock()
	r.left += n
	r.mu.Unlock()
}

func newShelf(r *room) *shelf {
	return &shelf{room: r, objects: map[key]entry{}, details: map[key]*detail{}, tallies: tally{}}
}

// judged is what came of one object, or why nothing is known.
type judged struct {
	about   audit.Object
	version uint32
	audit.Judgement
	err  error
	only func(number) bool // the policies that were asked; nil are all
}

// put takes what came of an object, in place of what the same policies said of it before. Of policies that are not in force it keeps nothing.
func (s *shelf) put(k key, epoch uint32, j judged, numbers func(string) (number, bool), now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, known := s.objects[k]
	before := s.details[k]
	next := entry{version: j.version, epoch: epoch}
	worst := map[number]uint8{}
	var results []kept
	if known && j.only != nil {
		for _, one := range s.profiles.list[old.profile].pairs {
			if !j.only(one.policy) {
				worst[one.policy] = one.outcome
			}
		}
		if before != nil {
			results = slices.DeleteFunc(slices.Clone(before.results), func(r kept) bool { return j.only(r.policy) })
		}
	}
	switch {
	case j.err != nil:
		next.state = errored
	case j.Skipped != "":
		next.state = s.reason(j.Skipped)
	}
	for _, id := range j.Asked {
		if n, ok := numbers(id); ok {
			worst[n] = max(worst[n], rank(audit.Pass))
		}
	}
	for _, r := range j.Results {
		n, ok := numbers(r.Policy)
		if !ok {
			continue
		}
		one := kept{n, rank(r.Outcome), unique.Make(r.Message), unique.Make(r.Field), r.Exception, now.Unix()}
		one.since = before.since(one)
		worst[n] = max(worst[n], one.outcome)
		results = append(results, one)
	}
	pairs := make([]pair, 0, len(worst))
	for n, outcome := range worst {
		pairs = append(pairs, pair{n, outcome})
		if outcome == rank(audit.Fault) && next.state == evaluated {
			next.state = errored
		}
	}
	if known && j.only != nil && next.state == evaluated && old.state >= skippedFrom && len(pairs) == 0 {
		next.state = old.state // other policies were asked, and none of them was concerned
	}
	next.profile = s.profiles.take(j.about.Namespace, pairs)
	s.remove(k)
	s.room.changes.Add(1)
	s.objects[k] = next
	s.tallies[next.state]++
	s.keep(k, j.about, results)
}

// reason is the state of an object that was skipped.
func (s *shelf) reason(text string) state {
	at := slices.Index(s.skipped, text)
	if at < 0 {
		if at = len(s.skipped); at == maxReasons {
			at--
		} else {
			s.skipped = append(s.skipped, text)
		}
	}
	return skippedFrom + state(at) //nolint:gosec // at most maxReasons
}

// maxReasons bounds the reasons to skip an object that are told apart; there are a handful.
const maxReasons = 100

// since is when a result was first found.
func (d *detail) since(r kept) int64 {
	if d != nil {
		for _, old := range d.results {
			if old.policy == r.policy && old.message == r.message && old.field == r.field && old.since < r.since {
				return old.since
			}
		}
	}
	return r.since
}

func (s *shelf) keep(k key, about audit.Object, results []kept) {
	if len(results) == 0 {
		return
	}
	fits := s.room.take(min(len(results), maxOfObject))
	s.details[k] = &detail{
		version: about.Version, namespace: about.Namespace, name: about.Name, uid: about.UID,
		results: slices.Clip(results[:fits]), omitted: len(results) - fits,
	}
}

// remove forgets an object.
func (s *shelf) remove(k key) {
	old, known := s.objects[k]
	if !known {
		return
	}
	if d := s.details[k]; d != nil {
		s.room.give(len(d.results))
		delete(s.details, k)
	}
	s.room.changes.Add(1)
	s.profiles.give(old.profile)
	s.tallies[old.state]--
	delete(s.objects, k)
}

// drop forgets an object.
func (s *shelf) drop(k key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(k)
}

// dropIf forgets objects.
func (s *shelf) dropIf(which func(key, entry) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, e := range s.objects {
		if which(k, e) {
			s.remove(k)
		}
	}
}

// seen notes that an object is still there; false if something about it must be judged: it is not known, has changed, or not all is kept of it.
func (s *shelf) seen(k key, version, epoch uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, known := s.objects[k]
	if !known || e.version != version || e.state == errored {
		return false
	}
	if d := s.details[k]; d != nil && d.omitted > 0 {
		return false
	}
	e.epoch = epoch
	s.objects[k] = e
	return true
}

// without forgets what policies said.
func (s *shelf) without(policy func(number) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, e := range s.objects {
		was := s.profiles.list[e.profile]
		if !slices.ContainsFunc(was.pairs, func(p pair) bool { return policy(p.policy) }) {
			continue
		}
		left := slices.DeleteFunc(slices.Clone(was.pairs), func(p pair) bool { return policy(p.policy) })
		s.room.changes.Add(1)
		s.profiles.give(e.profile)
		e.profile = s.profiles.take(was.namespace, left)
		s.objects[k] = e
		d := s.details[k]
		if d == nil {
			continue
		}
		results := slices.DeleteFunc(slices.Clone(d.results), func(r kept) bool { return policy(r.policy) })
		s.room.give(len(d.results) - len(results))
		if d.results = results; len(results) == 0 && d.omitted == 0 {
			delete(s.details, k)
		}
	}
}

// say sets why not all of the resource is known; "" is that nothing stands in the way.
func (s *shelf) say(trouble string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trouble != trouble {
		s.trouble = trouble
		s.room.changes.Add(1)
	}
}

// count is how many objects are in a state.
func (s *shelf) count(in state) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tallies[in]
}

// clear forgets everything.
func (s *shelf) clear() { s.dropIf(func(key, entry) bool { return true }) }

// troubled reports whether something stands in the way.
func (s *shelf) troubled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trouble != ""
}
