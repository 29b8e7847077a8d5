package cmd

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/portcullis-dev/portcullis/audit"
	"github.com/portcullis-dev/portcullis/audit/reports"
)

// keepReports makes what keeps reports of what the audit finds in the cluster; they stay nil where none are wanted.
func (c *member) keepReports() (err error) {
	if c.auditor == nil || c.flags.auditReports == string(reports.None) {
		return nil
	}
	metrics, err := newReportMetrics(c.metrics.Registry)
	if err != nil {
		return err
	}
	c.reported = metrics
	options := reports.Options{
		Config: c.config, Release: reports.Release{Name: c.flags.name, Namespace: c.flags.namespace}, Shard: c.flags.replica,
		Choice: reports.Choice(c.flags.auditReports), Found: c.auditor.found, Changes: c.auditor.sweep.Changes, Owner: c.owner,
		Observer: metrics, Log: c.log,
	}
	if c.replicas != nil {
		options.Members = c.live
		if c.collector, err = reports.NewCollector(options); err != nil {
			return err
		}
	}
	c.reports, err = reports.NewWriter(options)
	return err
}

// found is what this replica has found, once it has looked at everything that it may look at.
func (a *auditor) found() (audit.Report, bool) {
	if a.set.Load() == nil || !a.sweep.Through() {
		return audit.Report{}, false
	}
	return a.sweep.Report(), true
}

// reportMetrics show how much is in reports.
type reportMetrics struct {
	objects, bytes, omitted prometheus.Gauge
	writes                  *prometheus.CounterVec
	lacks                   atomic.Bool // results are omitted
}

func newReportMetrics(registry *prometheus.Registry) (*reportMetrics, error) {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	m := &reportMetrics{
		objects: gauge("portcullis_report_objects", "Reports that this replica keeps in the cluster."),
		bytes:   gauge("portcullis_report_bytes", "What they take together, as JSON."),
		omitted: gauge("portcullis_report_omitted_results", "Results of this replica that are in no report, because reports, or what the audit keeps, have reached their bounds."),
		writes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "portcullis_report_writes_total", Help: "Reports that were applied or deleted, or could not be.",
		}, []string{"result"}),
	}
	for _, c := range []prometheus.Collector{m.objects, m.bytes, m.omitted, m.writes} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	for _, result := range []string{"applied", "deleted", "failed"} {
		m.writes.WithLabelValues(result)
	}
	return m, nil
}

// Held implements reports.Observer.
func (m *reportMetrics) Held(objects, bytes, omitted int) {
	m.objects.Set(float64(objects))
	m.bytes.Set(float64(bytes))
	m.omitted.Set(float64(omitted))
	m.lacks.Store(omitted > 0)
}

// Wrote implements reports.Observer.
func (m *reportMetrics) Wrote(what string) { m.writes.WithLabelValues(what).Inc() }
