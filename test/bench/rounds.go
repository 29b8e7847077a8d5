package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// trial is one server under one load: what the rows of webhook workloads are made of.
type trial struct {
	workload string
	traffic  traffic
	speak    protocol
	policies int
	server   *child
}

// subject is a server that is measured, with everything found out about it so far.
type subject struct {
	child     *child
	caller    *caller
	check     bool // whether answers have to be right: the floor's cannot be
	rates     []float64
	took      []latencies
	usage     usage
	generator time.Duration // processor time of this process meanwhile
	elapsed   time.Duration
}

// against starts a server with the policies, measures it with so many requests in flight, and ends it.
func (l *lab) against(ctx context.Context, t trial, set policySet, inFlight ...int) ([]row, error) {
	server, err := l.serve(ctx, t.workload, set.flags)
	if err != nil {
		return nil, err
	}
	t.server, t.policies = server, len(set.specs)
	rows, err := l.measure(ctx, t, l.closed(inFlight...)...)
	if err == nil {
		err = l.saySlowest(ctx, server)
	}
	return rows, errors.Join(err, server.stop())
}

// measure makes one row for each load: rounds of the server, and of the floor with the same questions before, between and after them,
// because the machine drifts. Each round of the server is compared with the two of the floor around it, and the median of the rounds
// stands in the row.
func (l *lab) measure(ctx context.Context, t trial, loads ...load) ([]row, error) {
	var rows []row
	for _, load := range loads {
		r, err := l.measureOne(ctx, t, load)
		if err != nil {
			return nil, fmt.Errorf("%s, %s: %w", t.workload, load, err)
		}
		rows = append(rows, r)
	}
	return rows, nil
}

func (l *lab) measureOne(ctx context.Context, t trial, load load) (row, error) {
	r := row{Workload: t.workload, Load: load.String(), Against: floorCommand, Policies: t.policies}
	server, err := l.subject(t.server, t.speak, true)
	if err != nil {
		return r, err
	}
	defer server.caller.close()
	floor, err := l.subject(l.floor, t.speak, false)
	if err != nil {
		return r, err
	}
	defer floor.caller.close()

	load.duration = max(l.duration/time.Duration(l.rounds), 100*time.Millisecond)
	short := load
	short.duration = load.duration / 2
	if err := l.warmUp(ctx, t, short, server, floor); err != nil {
		return r, err
	}
	if err := l.round(ctx, t, short, floor); err != nil {
		return r, err
	}
	for range l.rounds {
		if err := l.round(ctx, t, load, server); err != nil {
			return r, err
		}
		if err := l.round(ctx, t, short, floor); err != nil {
			return r, err
		}
		l.say("%s, %s: %.0f requests/s, floor %.0f", t.workload, load, server.rates[len(server.rates)-1], floor.rates[len(floor.rates)-1])
	}
	var ratios []float64
	for i, rate := range server.rates {
		ratios = append(ratios, share(rate, (floor.rates[i]+floor.rates[i+1])/2))
	}
	r.took(sorted(server.took...))
	r.used(server.usage, server.generator, server.elapsed)
	low := row{}
	low.took(sorted(floor.took...))
	low.used(floor.usage, floor.generator, floor.elapsed)
	r.PerSecond, r.ReferencePerSecond = median(server.rates), median(floor.rates)
	if load.rate == 0 { // else both are asked at the same rate, and only latencies can differ
		r.RateRatio = median(ratios)
	}
	r.P50Ratio, r.ReferenceP50 = share(r.P50, low.P50), low.P50
	r.ReferenceCPU, r.ReferenceBusy = low.ServerCPU, low.GeneratorBusy
	r.PeakRSS = t.server.peakRSS()
	return r, nil
}

func (l *lab) subject(c *child, speak protocol, check bool) (*subject, error) {
	caller, err := l.caller(c, speak)
	return &subject{child: c, caller: caller, check: check}, err
}

// warmUp opens the connections and lets caches and heaps find their size. It is not measured.
func (l *lab) warmUp(ctx context.Context, t trial, load load, subjects ...*subject) error {
	load.duration = min(load.duration, 2*time.Second)
	for _, s := range subjects {
		if _, err := load.run(ctx, l.asking(t, s)); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) round(ctx context.Context, t trial, load load, s *subject) error {
	before, err := s.child.usage(ctx)
	if err != nil {
		return err
	}
	own := cpuTime(os.Getpid())
	got, err := load.run(ctx, l.asking(t, s))
	if err != nil {
		return err
	}
	s.generator += cpuTime(os.Getpid()) - own
	after, err := s.child.usage(ctx)
	if err != nil {
		return err
	}
	s.usage = s.usage.plus(after.since(before))
	s.rates, s.took, s.elapsed = append(s.rates, got.perSecond()), append(s.took, got.took), s.elapsed+got.elapsed
	return nil
}

func (l *lab) asking(t trial, s *subject) func(context.Context) error {
	return func(ctx context.Context) error {
		q := t.traffic.question(l.numbers.Add(1))
		if !s.check {
			q.check = func([]byte) error { return nil }
		}
		return s.caller.ask(ctx, q)
	}
}

// String says what stands in the table.
func (l load) String() string {
	if l.rate > 0 {
		return fmt.Sprintf("%g/s", l.rate)
	}
	return fmt.Sprintf("%d in flight", l.inFlight)
}
