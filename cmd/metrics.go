package cmd

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/portcullis-dev/portcullis/audit/decisions"
	"github.com/portcullis-dev/portcullis/certs"
	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/review"
	"github.com/portcullis-dev/portcullis/webhook"
)

// Metrics are all that /metrics shows. The labels policy and revision come from policies, which operators write, and never from
// requests. Like Wiring they are exported for the contract tests. They are safe for concurrent use.
type Metrics struct {
	recorders decisions.Recorders // that are shown; none before there are any
	Registry  *prometheus.Registry
	Webhook   *webhook.Metrics
	log       *slog.Logger

	duration *prometheus.HistogramVec
	unasked  *prometheus.CounterVec
	found    *prometheus.CounterVec
	failed   *prometheus.CounterVec
	loads    *prometheus.CounterVec
	faults   prometheus.Gauge
	revision *prometheus.GaugeVec
	untold   prometheus.Counter
}

// NewMetrics returns Metrics with a Registry of their own. The log is told of policies that panic or do not stop.
func NewMetrics(log *slog.Logger) (*Metrics, error) {
	m := &Metrics{
		Registry: prometheus.NewRegistry(),
		log:      log,
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "portcullis_policy_duration_seconds",
			Help:    "How long one policy took to answer.",
			Buckets: []float64{.00001, .00005, .0001, .0005, .001, .005, .01, .05, .1, .5, 1, 5},
		}, []string{"policy"}),
		unasked: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "portcullis_policy_quarantined_total",
			Help: "How often one policy was not asked, because evaluations of it that ran out of time have not stopped.",
		}, []string{"policy"}),
		found: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "portcullis_policy_findings_total",
			Help: "Findings of each policy, by what they did to the request.",
		}, []string{"policy", "effect"}),
		failed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "portcullis_policy_failures_total",
			Help: "How often one policy had no answer for a request that it concerned, so that its onError decided.",
		}, []string{"policy"}),
		loads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "portcullis_policy_load_total",
			Help: "Attempts to put policies in force: good, or faulty where a policy had to be left at its last good version.",
		}, []string{"result"}),
		faults: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "portcullis_policy_faults",
			Help: "What is wrong with the policies now; those concerned are in force in their last good version, or not at all.",
		}),
		revision: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "portcullis_policy_revision_info",
			Help: "1 for the set of policies in force.",
		}, []string{"revision"}),
		untold: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "portcullis_events_dropped_total",
			Help: "Events that were not made, because there were too many at once.",
		}),
	}
	var err error
	if m.Webhook, err = webhook.NewMetrics(m.Registry); err != nil {
		return nil, err
	}
	for _, c := range []prometheus.Collector{
		m.duration, m.unasked, m.found, m.failed, m.loads, m.faults, m.revision, m.untold, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := m.Registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// follow shows the certificates' ends and the recorders' losses.
func (m *Metrics) follow(who identity, recorders decisions.Recorders) error {
	m.recorders = recorders
	for usage, notAfter := range map[string]func() time.Time{"serving": who.notAfter, "authority": who.authority} {
		if notAfter == nil {
			continue
		}
		end := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name:        "portcullis_certificate_not_after_timestamp_seconds",
			Help:        "When the certificate ends.",
			ConstLabels: prometheus.Labels{"usage": usage},
		}, func() float64 { return float64(notAfter().Unix()) })
		if err := m.Registry.Register(end); err != nil {
			return err
		}
	}
	if err := m.certificate(who); err != nil {
		return err
	}
	return m.recorded(recorders)
}

// certificate shows whether what is offered as the certificate can be used.
func (m *Metrics) certificate(who identity) error {
	return m.Registry.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "portcullis_certificate_faulty",
		Help: "1 while the certificate that is offered cannot be used, as when its authority has not signed it; the last good one is served.",
	}, func() float64 {
		if who.fault() != nil {
			return 1
		}
		return 0
	}))
}

// rotating shows the step at which the rotation of certificates is. Only the leader takes steps.
func (m *Metrics) rotating(phase func() certs.Step) error {
	for _, step := range []certs.Step{certs.Rest, certs.MintCA, certs.PublishBoth, certs.Dwell, certs.IssueLeaf, certs.RetireOldCA} {
		err := m.Registry.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name:        "portcullis_certificate_rotation_phase",
			Help:        "1 for the step at which this server's rotation of certificates is, if it leads.",
			ConstLabels: prometheus.Labels{"phase": string(step)},
		}, func() float64 {
			if phase() == step {
				return 1
			}
			return 0
		}))
		if err != nil {
			return err
		}
	}
	return nil
}

// Asked makes Metrics a policies.Observer.
func (m *Metrics) Asked(policy string, took time.Duration, err error) {
	m.duration.WithLabelValues(policy).Observe(took.Seconds())
	if panicked, ok := errors.AsType[*review.PanicError](err); ok {
		m.log.Error("the evaluation of a policy panicked", "policy", policy, "stack", string(panicked.Stack))
	}
}

// Overrun makes Metrics a policies.Observer.
func (m *Metrics) Overrun(policy string, by int) {
	m.Webhook.Overrun(by)
	if by > 0 {
		m.log.Warn("a policy used up its time and its evaluation has not stopped yet", "policy", policy)
	}
}

// Quarantined makes Metrics a policies.Observer.
func (m *Metrics) Quarantined(policy string) { m.unasked.WithLabelValues(policy).Inc() }

// loaded counts an attempt to load policies and shows what it came to.
func (m *Metrics) loaded(load policies.Load) {
	result := "good"
	if len(load.Faults) > 0 {
		result = "faulty"
	}
	m.loads.WithLabelValues(result).Inc()
	m.faults.Set(float64(len(load.Faults)))
	m.revision.Reset()
	if load.Set == nil {
		return
	}
	m.revision.WithLabelValues(load.Set.Revision()).Set(1)
}

// findings is a decorator that counts what policies find, in dry runs, too. What the status of a Policy says is counted by status.Counts.
func (m *Metrics) findings(next review.Reviewer) review.Reviewer {
	return review.ReviewerFunc(func(ctx context.Context, req *review.Request) (review.Decision, error) {
		d, err := next.Review(ctx, req)
		for _, f := range d.Findings {
			m.found.WithLabelValues(f.Policy, string(f.Effect)).Inc()
			if f.Fault {
				m.failed.WithLabelValues(f.Policy).Inc()
			}
		}
		return d, err
	})
}
