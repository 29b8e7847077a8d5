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
	contested      *prometheus.GaugeVec
	open, keeping  prometheus.Gauge
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
			Help: "Failed attempts to make the webhook configurations what they should be, and to have the API server reach this server.",
		}),
		probes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "portcullis_registration_probes_total",
			Help: "Probes through the API server, by whether a server answered.",
		}, []string{"result"}),
		held: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "portcullis_registration_held",
			Help: "1 while policies want to be asked about more than is registered, because not every replica serves them yet or no probe is answered.",
		}),
		unlocked: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "portcullis_registration_unlocked",
			Help: "1 while the cluster is unlocked and no webhook is asked.",
		}),
	}
	m.contested = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "portcullis_registration_contested",
		Help: "1 while somebody else changes or deletes a webhook configuration more often than it is mended.",
	}, []string{"configuration"})
	m.open = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "portcullis_registration_fail_open",
		Help: "1 while a webhook whose requests should be refused when no answer comes is registered with Ignore, because no probe of it was answered.",
	})
	m.keeping = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "portcullis_registration_keeping",
		Help: "1 while this server keeps the webhook configurations, as the one of the replicas does that leads.",
	})
	// Shown as 0 from the start, so that alerts see the first increase.
	for _, p := range places("") {
		m.drift.WithLabelValues(p.label)
		m.contested.WithLabelValues(p.label)
	}
	for _, result := range []string{probeAnswered, probeUnanswered} {
		m.probes.WithLabelValues(result)
	}
	for _, collector := range []prometheus.Collector{m.drift, m.failures, m.probes, m.held, m.unlocked, m.contested, m.open, m.keeping} {
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

func (m *Metrics) setContested(configuration string, contested bool) {
	if m != nil {
		m.contested.WithLabelValues(configuration).Set(number(contested))
	}
}

func (m *Metrics) setOpen(open bool) {
	if m != nil {
		m.open.Set(number(open))
	}
}

func (m *Metrics) setKeeping(keeping bool) {
	if m != nil {
		m.keeping.Set(number(keeping))
	}
}

func (m *Metrics) setUnlocked(unlocked bool) {
	if m != nil {
		m.unlocked.Set(number(unlocked))
	}
}

// rest shows what a server shows that does not lead.
func (m *Metrics) rest() {
	m.setHeld(false)
	m.setUnlocked(false)
	m.setOpen(false)
	m.setKeeping(false)
	for _, p := range places("") {
		m.setContested(p.label, false)
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
