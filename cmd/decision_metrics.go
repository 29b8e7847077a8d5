package cmd

import (
	"fmt"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/portcullis-dev/portcullis/audit/decisions"
	"github.com/portcullis-dev/portcullis/webhook/registration"
)

// recorded shows what became of the records of decisions, over all places they go to.
func (m *Metrics) recorded(recorders decisions.Recorders) error {
	if len(recorders) == 0 {
		return nil
	}
	sum := func(of func(*decisions.Recorder) float64) func() float64 {
		return func() (out float64) {
			for _, recorder := range recorders {
				out += of(recorder)
			}
			return out
		}
	}
	for _, c := range []prometheus.Collector{
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "portcullis_decision_records_dropped_total",
			Help: "Decisions of which no record was written.",
		}, sum(func(r *decisions.Recorder) float64 { return float64(r.Dropped()) })),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "portcullis_decision_records_written_total",
			Help: "Records of decisions that were written, once for each place they go to.",
		}, sum(func(r *decisions.Recorder) float64 { return float64(r.Written()) })),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "portcullis_decision_records_passed_total",
			Help: "Decisions of which no record was wanted, as --decision-log-allows says.",
		}, sum(func(r *decisions.Recorder) float64 { return float64(r.Passed()) })),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "portcullis_decision_records_waiting",
			Help: "Records of decisions that are still to be written.",
		}, sum(func(r *decisions.Recorder) float64 { return float64(r.Waiting()) })),
	} {
		if err := m.Registry.Register(c); err != nil {
			return err
		}
	}
	return nil
}

// eventMetrics count the events of API servers' audit logs. The names of other webhooks are anybody's, and no labels.
type eventMetrics struct {
	events *prometheus.CounterVec
	open   *prometheus.CounterVec
}

// Whose webhook had no answer.
const (
	ownWebhook   = "portcullis"
	otherWebhook = "other"
)

func newEventMetrics(registry prometheus.Registerer) (*eventMetrics, error) {
	m := &eventMetrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "portcullis_audit_events_total",
			Help: "Events of API servers' audit logs that came to /events, by what became of them.",
		}, []string{"outcome"}),
		open: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "portcullis_failed_open_total",
			Help: "How often an API server went on without the answer of a webhook, as its audit log says: one of this server, or another.",
		}, []string{"webhook"}),
	}
	for _, outcome := range []decisions.Outcome{decisions.EventHeard, decisions.EventEarly, decisions.EventRepeated, decisions.EventUnreadable} {
		m.events.WithLabelValues(string(outcome))
	}
	for _, whose := range []string{ownWebhook, otherWebhook} {
		m.open.WithLabelValues(whose)
	}
	for _, c := range []prometheus.Collector{m.events, m.open} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("metrics of events: %w", err)
		}
	}
	return m, nil
}

// heard counts an event, and returns those webhooks of ours that had no answer.
func (m *eventMetrics) heard(event decisions.Event, outcome decisions.Outcome) (ours []string) {
	m.events.WithLabelValues(string(outcome)).Inc()
	for _, name := range event.FailedOpen {
		whose := otherWebhook
		// The image webhook can only be one, and setup makes it ours.
		if name == decisions.ImageWebhook || strings.HasSuffix(name, "."+registration.Group) {
			whose, ours = ownWebhook, append(ours, name)
		}
		m.open.WithLabelValues(whose).Inc()
	}
	return ours
}
