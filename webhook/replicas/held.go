package replicas

import (
	"context"
	"sync"
	"time"

	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// held is the Lease of the leader as one elector uses it, for one term. An elector that finds another holder goes on trying for as long as
// a renewal may take, and has who leads go on, too. held tells at once: when it sees another holder, and when it has not renewed the Lease
// for so long that there may be one. The second is by this machine's clock alone, so that a process that stood still knows it before
// anything that happened meanwhile reaches it.
type held struct {
	*resourcelock.LeaseLock
	// lasts is how long after a renewal this server may lead. It is shorter than the Lease.
	lasts time.Duration
	lost  chan struct{} // closed when this server leads no more

	mu    sync.Mutex
	timer *time.Timer // nil before this server has led
}

// Get reads the Lease.
func (h *held) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	record, raw, err := h.LeaseLock.Get(ctx)
	if err == nil && record.HolderIdentity != h.Identity() {
		h.mu.Lock()
		if h.timer != nil {
			h.timer.Reset(0)
		}
		h.mu.Unlock()
	}
	return record, raw, err
}

// Create makes the Lease.
func (h *held) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	began := time.Now()
	err := h.LeaseLock.Create(ctx, record)
	h.renewed(began, record, err)
	return err
}

// Update writes the Lease over what was read of it.
func (h *held) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	began := time.Now()
	err := h.LeaseLock.Update(ctx, record)
	h.renewed(began, record, err)
	return err
}

func (h *held) renewed(began time.Time, record resourcelock.LeaderElectionRecord, err error) {
	if err != nil || record.HolderIdentity != h.Identity() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	left := h.lasts - time.Since(began)
	if h.timer == nil {
		h.timer = time.AfterFunc(left, sync.OnceFunc(func() { close(h.lost) }))
		return
	}
	h.timer.Reset(left) // what is lost stays so
}
