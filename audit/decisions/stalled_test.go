package decisions

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portcullis-dev/portcullis/review"
)

// stalled is a pipe nobody reads from: what is written waits until it is released.
type stalled struct {
	release chan struct{}
	once    sync.Once
	begun   chan struct{} // closed by the first Write
}

func newStalled() *stalled { return &stalled{release: make(chan struct{}), begun: make(chan struct{})} }

func (s *stalled) Write(p []byte) (int, error) {
	s.once.Do(func() { close(s.begun) })
	<-s.release
	return len(p), nil
}

// A reader that has stalled holds up the end no longer than it may, and what it did not take is counted, once.
func TestAStalledReaderDoesNotHoldUpTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newStalled()
		r := NewRecorder(out, time.Now)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Start(ctx) }()
		reqs, _ := many(t, 10, `"object":{}`)
		r.Hear(reqs[0], review.Decision{}, nil, time.Now())
		<-out.begun
		for _, req := range reqs[1:] {
			r.Hear(req, review.Decision{}, nil, time.Now())
		}
		if r.Dropped() != 0 {
			t.Errorf("%d are counted as dropped while they wait", r.Dropped())
		}
		begun := time.Now()
		stop()
		const want = "the decision log takes nothing any more: 10 records were not written"
		if err := <-ended; err == nil || err.Error() != want {
			t.Errorf("it ended with %v", err)
		}
		if took := time.Since(begun); took != flushFor {
			t.Errorf("it ended after %s", took)
		}
		if r.Hear(reqs[0], review.Decision{}, nil, time.Now()); r.Dropped() != 11 {
			t.Errorf("%d are counted as dropped", r.Dropped())
		}
		close(out.release)
		synctest.Wait()
		if r.Dropped() != 11 {
			t.Errorf("%d are counted as dropped after all", r.Dropped())
		}
	})
}

// A reader that wakes up in time gets everything.
func TestAReaderThatWakesUpGetsWhatWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newStalled()
		r := NewRecorder(out, time.Now)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Start(ctx) }()
		reqs, _ := many(t, 2, `"object":{}`)
		r.Hear(reqs[0], review.Decision{}, nil, time.Now())
		<-out.begun
		r.Hear(reqs[1], review.Decision{}, nil, time.Now())
		stop()
		time.Sleep(flushFor / 2)
		close(out.release)
		if err := <-ended; err != nil || r.Dropped() != 0 {
			t.Errorf("%v, %d are counted as dropped", err, r.Dropped())
		}
	})
}
