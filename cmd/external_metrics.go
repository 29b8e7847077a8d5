package cmd

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// externalMetrics show the traffic with Providers. They are an external.Observer.
type externalMetrics struct {
	calls      *prometheus.HistogramVec
	remembered *prometheus.CounterVec
}

func newExternalMetrics(registry *prometheus.Registry) (*externalMetrics, error) {
	m := &externalMetrics{
		calls: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "portcullis_external_data_duration_seconds",
			Help:    "How long calls of a Provider took: those that it answered, and those that failed.",
			Buckets: []float64{.005, .01, .05, .1, .5, 1, 5},
		}, []string{"provider", "result"}),
		remembered: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "portcullis_external_data_remembered_keys_total",
			Help: "Keys for which a Provider was not called, because its answer was known.",
		}, []string{"provider"}),
	}
	for _, c := range []prometheus.Collector{m.calls, m.remembered} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Called implements external.Observer.
func (m *externalMetrics) Called(provider string, took time.Duration, err error) {
	result := "answered"
	if err != nil {
		result = "failed"
	}
	m.calls.WithLabelValues(provider, result).Observe(took.Seconds())
}

// Remembered implements external.Observer.
func (m *externalMetrics) Remembered(provider string, keys int) {
	m.remembered.WithLabelValues(provider).Add(float64(keys))
}
