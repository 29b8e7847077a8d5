package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// maxRequests bounds one run and with it the memory of its latencies.
const maxRequests = 2_000_000

// load says how hard to ask. A closed loop keeps inFlight requests under way and asks the next as soon as one is answered. An open
// loop, rate above 0, asks at fixed moments whatever the answers do, with at most inFlight under way; a request that had to wait for
// its turn has been waiting since the moment it was meant to start, or a stalled server would look fast.
type load struct {
	inFlight int
	rate     float64 // requests per second, 0 for a closed loop
	duration time.Duration
	count    int // at most so many requests; 0 means maxRequests
}

// outcome is what came of a run.
type outcome struct {
	elapsed time.Duration
	took    latencies // sorted
}

// perSecond is the rate at which requests were answered.
func (o outcome) perSecond() float64 {
	if o.elapsed <= 0 {
		return 0
	}
	return float64(len(o.took)) / o.elapsed.Seconds()
}

// run asks until the time or the count is up. The first error ends it: a figure that counts failures as answers is worth nothing.
func (l load) run(ctx context.Context, ask func(context.Context) error) (outcome, error) {
	if l.inFlight < 1 || l.duration <= 0 {
		return outcome{}, errors.New("a load needs requests in flight and a duration")
	}
	limit := l.count
	if limit <= 0 || limit > maxRequests {
		limit = maxRequests
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	g := &generator{load: l, ask: ask, limit: int64(limit), start: time.Now(), lists: make([]latencies, l.inFlight)}
	var wg sync.WaitGroup
	for worker := range l.inFlight {
		wg.Go(func() {
			if err := g.work(ctx, worker); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return outcome{}, err
	}
	return outcome{elapsed: time.Since(g.start), took: sorted(g.lists...)}, nil
}

// generator is one run under way.
type generator struct {
	load
	ask   func(context.Context) error
	limit int64
	start time.Time
	next  atomic.Int64
	lists []latencies // one for each worker, so that they share nothing
}

// work asks one request after another.
func (g *generator) work(ctx context.Context, worker int) error {
	took := make(latencies, 0, 4096)
	defer func() { g.lists[worker] = took }()
	for {
		number := g.next.Add(1) - 1
		if number >= g.limit {
			return nil
		}
		begun, more, err := g.turn(ctx, number)
		if err != nil || !more {
			return err
		}
		if err := g.ask(ctx); err != nil {
			return err
		}
		took = append(took, time.Since(begun))
	}
}

// turn waits until request number is due and returns from when its latency counts, or false when the run is over.
func (g *generator) turn(ctx context.Context, number int64) (begun time.Time, more bool, err error) {
	now := time.Now()
	if g.rate <= 0 {
		return now, now.Sub(g.start) < g.duration && ctx.Err() == nil, nil
	}
	offset := time.Duration(float64(number) / g.rate * float64(time.Second))
	if offset >= g.duration {
		return now, false, nil
	}
	due := g.start.Add(offset)
	// All that was due in time is asked, however late; but a server that cannot keep up must not keep us for ever.
	if late := now.Sub(due); late > g.duration {
		return now, false, fmt.Errorf("%.0f requests/s are more than can be answered: after %s they are %s behind",
			g.rate, now.Sub(g.start).Round(time.Millisecond), late.Round(time.Millisecond))
	}
	wait := due.Sub(now)
	if wait <= 0 {
		return due, ctx.Err() == nil, nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return due, true, nil
	case <-ctx.Done():
		return due, false, nil
	}
}
