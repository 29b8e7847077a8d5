package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// endToEnd is W11: what a user waits for when a Pod is created, through a real API server, without any policy, with Portcullis, and
// with the same rules as ValidatingAdmissionPolicies, which the API server judges in its own process.
func endToEnd() workload {
	const name = "W11"
	return workload{
		name: name, title: "Pod creates (server-side dry run) through a real API server: no policies, Portcullis, ValidatingAdmissionPolicies",
		measure: func(ctx context.Context, l *lab) (rows []row, err error) {
			p, err := l.startPlane(ctx, name)
			if err != nil {
				return nil, err
			}
			defer func() { err = errors.Join(err, p.cluster.Stop()) }()
			hook, err := l.hook(ctx, name, p)
			if err != nil {
				return nil, err
			}
			rows, err = p.measure(ctx, l, none{}, hook, none{}, newCELPolicies(p), none{})
			return rows, err
		},
	}
}

// setup is one way to have Pods judged.
type setup interface {
	String() string
	policies() int
	// put makes the API server judge Pods this way, and remove makes it stop. Both return when it does.
	put(context.Context) error
	remove(context.Context) error
	usage(context.Context) (usage, error)
	peakRSS() int64
}

// none is a cluster without policies, what the others are compared with.
type none struct{}

func (none) String() string                       { return "none" }
func (none) policies() int                        { return 0 }
func (none) put(context.Context) error            { return nil }
func (none) remove(context.Context) error         { return nil }
func (none) usage(context.Context) (usage, error) { return usage{}, nil }
func (none) peakRSS() int64                       { return 0 }

// measured is one setup's outcome under one load.
type measured struct {
	setup     setup
	outcome   outcome
	used      usage
	generator time.Duration
}

// measure runs the setups in order, each with 1 and with 8 in flight. They cannot take turns as quickly as the floor does elsewhere: it
// takes the API server a second to notice a change. So none is run before, between and after the others, and each is compared with
// the two runs of none next to it.
func (p *plane) measure(ctx context.Context, l *lab, setups ...setup) ([]row, error) {
	loads := []load{{inFlight: 1, duration: l.duration}, {inFlight: 8, duration: l.duration}}
	results := make([][]measured, len(loads))
	for _, s := range setups {
		if err := s.put(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", s, err)
		}
		for i, load := range loads {
			m, err := p.round(ctx, l, s, load)
			if err != nil {
				return nil, fmt.Errorf("%s, %s: %w", s, load, err)
			}
			l.say("%s: %s, %s: %.0f requests/s, p50 %.2f ms", p.name, s, load, m.outcome.perSecond(), milliseconds(m.outcome.took.percentile(0.5)))
			results[i] = append(results[i], m)
		}
		if err := s.remove(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", s, err)
		}
	}
	var rows []row
	for i, load := range loads {
		rows = append(rows, p.rows(load, results[i])...)
	}
	return rows, nil
}

// rows makes the rows of one load: one for all runs of none together, and one for each other setup.
func (p *plane) rows(load load, results []measured) []row {
	var out []row
	bare := row{Workload: p.name + " " + none{}.String(), Load: load.String(), Against: "itself", RateRatio: 1, P50Ratio: 1}
	var took []latencies
	var rates []float64
	for i, m := range results {
		if _, ok := m.setup.(none); ok {
			took, rates = append(took, m.outcome.took), append(rates, m.outcome.perSecond())
			continue
		}
		r := row{Workload: p.name + " " + m.setup.String(), Load: load.String(), Against: none{}.String(), Policies: m.setup.policies()}
		before, after := results[i-1].outcome, results[i+1].outcome
		r.took(m.outcome.took)
		r.used(m.used, m.generator, m.outcome.elapsed)
		r.PerSecond, r.ReferencePerSecond = m.outcome.perSecond(), (before.perSecond()+after.perSecond())/2
		r.RateRatio = share(r.PerSecond, r.ReferencePerSecond)
		r.ReferenceP50 = milliseconds(sorted(before.took, after.took).percentile(0.5))
		r.P50Ratio = share(r.P50, r.ReferenceP50)
		r.PeakRSS = m.setup.peakRSS()
		out = append(out, r)
	}
	bare.took(sorted(took...))
	bare.PerSecond = median(rates)
	bare.ReferencePerSecond, bare.ReferenceP50 = bare.PerSecond, bare.P50
	return append([]row{bare}, out...)
}

// denied reports whether the API server's answer is a refusal by whoever is named.
func denied(answer, by string) bool {
	return strings.Contains(answer, by) && strings.Contains(answer, "denied")
}
