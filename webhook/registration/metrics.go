package registration

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics tell what a Keeper meets. A nil *Metrics counts nothing.
type Metrics struct {
	drift          *prometheus.CounterVec
	failures       prometheus.Counter
	probes         *prometheus.CounterVec
	held, unlocked prometheus.Gauge
}

const (
	probeAnswered   = "answered"
	probeUnanswered = "unanswered"
)

// NewMetrics returns Metrics registered with registry.
func NewMetrics(registry prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		drift: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "portcullis_registration_drift_total",
			Help: "Webhook configurations that somebody else changed or deleted, and that were mended.",
		}, []string{"configuration"}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "portcullis_registration_failures_total",
			Help: "Failed attempts to make the webhook configurations what they should be.",
		}),
		probes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "portcullis_registration_probes_total",
			Help: "Probes through the API server, by whether a server answered.",
		}, []string{"result"}),
		held: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "portcullis_registration_held",
			Help: "1 while policies want to be asked about more than is registered, because not every replica serves them yet.",
		}),
		unlocked: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "portcullis_registration_unlocked",
			Help: "1 while the cluster is unlocked and no webhook is asked.",
		}),
	}
	// Shown as 0 from the start, so that alerts see the first increase.
	for _, p := range places("") {
		m.drift.WithLabelValues(p.label)
	}
	for _, result := range []string{probeAnswered, probeUnanswered} {
		m.probes.WithLabelValues(result)
	}
	for _, collector := range []prometheus.Collector{m.drift, m.failures, m.probes, m.held, m.unlocked} {
		if err := registry.Register(collector); err != nil {
			return nil, fmt.Errorf("registering the metrics of the registration: %w", err)
		}
	}
	return m, nil
}

func (m *Metrics) drifted(configuration string) {
	if m != nil {
		m.drift.WithLabelValues(configuration).Inc()
	}
}

func (m *Metrics) failed() {
	if m != nil {
		m.failures.Inc()
	}
}

func (m *Metrics) probed(answered bool) {
	if m == nil {
		return
	}
	result := probeUnanswered
	if answered {
		result = probeAnswered
	}
	m.probes.WithLabelValues(result).Inc()
}

func (m *Metrics) setHeld(held bool) {
	if m != nil {
		m.held.Set(number(held))
	}
}

func (m *Metrics) setUnlocked(unlocked bool) {
	if m != nil {
		m.unlocked.Set(number(unlocked))
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
