package cmd

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/portcullis-dev/portcullis/audit"
	"github.com/portcullis-dev/portcullis/audit/sweep"
)

// auditMetrics show how the audit fares, and what this replica knows. The labels come from policies and from what is fixed, never from objects.
type auditMetrics struct {
	registry *prometheus.Registry
	duration prometheus.Histogram
	objects  *prometheus.CounterVec
}

func newAuditMetrics(registry *prometheus.Registry) (*auditMetrics, error) {
	m := &auditMetrics{
		registry: registry,
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "portcullis_audit_duration_seconds",
			Help:    "How long it took to list all objects of one kind and to judge those that had to be.",
			Buckets: []float64{.01, .05, .1, .5, 1, 5, 10, 30, 60, 300, 1800},
		}),
		objects: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "portcullis_audit_objects_total",
			Help: "Objects that were judged by the audit, by the worst that policies said of them; skipped are those about which none was asked.",
		}, []string{"outcome"}),
	}
	for _, c := range []prometheus.Collector{m.duration, m.objects} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Judged implements sweep.Observer.
func (m *auditMetrics) Judged(outcome audit.Outcome) {
	m.objects.WithLabelValues(string(outcome)).Inc()
}

// Listed implements sweep.Observer.
func (m *auditMetrics) Listed(_ string, took time.Duration) { m.duration.Observe(took.Seconds()) }

// shows shows what a sweep knows.
func (m *auditMetrics) shows(s *sweep.Sweep) error {
	return m.registry.Register(&auditCollector{
		sweep: s,
		results: prometheus.NewDesc("portcullis_audit_results",
			"Pairs of an object and a policy by what came of them, of the objects that this replica judges.", []string{"policy", "outcome"}, nil),
		kept: prometheus.NewDesc("portcullis_audit_objects", "Objects that this replica judges.", nil, nil),
		unreconciled: prometheus.NewDesc("portcullis_audit_unreconciled",
			"Kinds of which not every object that is there is evaluated, skipped for a reason or counted as an error, because they could not be listed to the end.", nil, nil),
		errored: prometheus.NewDesc("portcullis_audit_errored", "Objects about which some policy could not be asked.", nil, nil),
		age: prometheus.NewDesc("portcullis_audit_age_seconds",
			"How long ago it was last known, of the kind of which that is longest, that what the audit says is true; missing until all was listed once.", nil, nil),
	})
}

// auditCollector is asked when somebody reads the metrics.
type auditCollector struct {
	sweep                                     *sweep.Sweep
	results, kept, unreconciled, errored, age *prometheus.Desc
}

// Describe makes auditCollector a prometheus.Collector.
func (a *auditCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{a.results, a.kept, a.unreconciled, a.errored, a.age} {
		out <- d
	}
}

// Collect makes auditCollector a prometheus.Collector.
func (a *auditCollector) Collect(out chan<- prometheus.Metric) {
	report := a.sweep.Counts()
	listed, unreconciled, errored := 0, 0, 0
	for _, c := range report.Coverage {
		listed, errored = listed+c.Listed, errored+c.Errored
		if !c.Reconciled() {
			unreconciled++
		}
	}
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	gauge(a.kept, float64(listed))
	gauge(a.unreconciled, float64(unreconciled))
	gauge(a.errored, float64(errored))
	if age, all := a.sweep.Age(); all {
		gauge(a.age, age.Seconds())
	}
	for _, policy := range report.Policies {
		if policy.Unaudited != "" {
			continue
		}
		c := report.Counts[policy.ID]
		for outcome, n := range map[audit.Outcome]int{
			audit.Pass: c.Pass, audit.Fail: c.Fail, audit.Warn: c.Warn, audit.Skip: c.Skip, audit.Fault: c.Fault,
		} {
			gauge(a.results, float64(n), policy.ID, string(outcome))
		}
	}
}
