package cmd

import (
	"context"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis/review"
)

const (
	// arrivalTime is how long a review waits for a namespace of which it is said to be. The API server admits nothing into one that does not
	// exist, so it is only that the watch has not told of it yet, which takes milliseconds.
	arrivalTime = time.Second
	// maxArrivals bounds how many reviews wait at once, of admission and of everything else. At the other stages anybody may name a namespace
	// that never comes, and must not take the places of those whose namespace does.
	maxArrivals = 64
)

// arrivals let reviews wait for namespaces that are not known yet. One that waits takes no more than a goroutine that sleeps.
type arrivals struct {
	admission, access chan struct{} // a place for each that waits

	mu      sync.Mutex
	waiting map[string]*arrival
}

// arrival is waited for by one or more.
type arrival struct {
	came  chan struct{}
	count int
}

func newArrivals() *arrivals {
	return &arrivals{
		admission: make(chan struct{}, maxArrivals), access: make(chan struct{}, maxArrivals), waiting: map[string]*arrival{},
	}
}

// came wakes whoever waits for the namespace.
func (a *arrivals) came(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if w := a.waiting[name]; w != nil {
		close(w.came)
		delete(a.waiting, name)
	}
}

// await returns when the namespace of the request is known, when half of the review's time is over, or at once if too many wait already.
func (a *arrivals) await(ctx context.Context, req *review.Request, known func(name string) bool) {
	places := a.access
	if req.Stage == review.Mutate || req.Stage == review.Validate {
		places = a.admission
	}
	select {
	case places <- struct{}{}:
		defer func() { <-places }()
	default:
		return
	}
	name := req.Target.Namespace
	w := a.begin(name)
	defer a.end(name, w)
	if known(name) { // between the question and the wait
		return
	}
	limit := arrivalTime
	if deadline, bounded := ctx.Deadline(); bounded {
		limit = min(limit, time.Until(deadline)/2)
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-w.came:
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (a *arrivals) begin(name string) *arrival {
	a.mu.Lock()
	defer a.mu.Unlock()
	w := a.waiting[name]
	if w == nil {
		w = &arrival{came: make(chan struct{})}
		a.waiting[name] = w
	}
	w.count++
	return w
}

func (a *arrivals) end(name string, w *arrival) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if w.count--; w.count == 0 && a.waiting[name] == w {
		delete(a.waiting, name)
	}
}
