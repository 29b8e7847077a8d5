package policies

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxBehind is how many evaluations of one policy may run on although their time is up. Each holds a goroutine and all it has worked
	// out so far, of which no budget of memory knows.
	maxBehind = 8
	// maxBehindAge is how long one may. Within it everything in the language that heeds its end has ended.
	maxBehindAge = 30 * time.Second
)

// errQuarantined is the fault of a policy that is not asked because of the evaluations it left behind.
var errQuarantined = errors.New("it is not asked until its evaluations that ran out of time have ended")

// behind are the evaluations of one policy that were left behind, and since when each has been running.
type behind struct {
	count atomic.Int64 // so that who asks a policy that has none, which is every policy nearly always, waits for nobody
	mu    sync.Mutex
	since map[*worker]time.Time
}

func (b *behind) add(w *worker, since time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.since == nil {
		b.since = map[*worker]time.Time{}
	}
	b.since[w] = since
	b.count.Store(int64(len(b.since)))
}

func (b *behind) ended(w *worker) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.since, w)
	b.count.Store(int64(len(b.since)))
}

// quarantined reports whether the policy is not to be asked at the moment.
func (b *behind) quarantined(now time.Time) bool {
	count := b.count.Load()
	if count == 0 || count > maxBehind {
		return count > 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, since := range b.since {
		if now.Sub(since) > maxBehindAge {
			return true
		}
	}
	return false
}
