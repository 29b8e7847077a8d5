package webhook

import (
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/portcullis-dev/portcullis/review"
)

// Reasons of portcullis_shed_total.
const (
	shedBudget  = "memory"       // Limit had no room
	shedBodies  = "large-bodies" // too many large bodies were arriving
	shedSources = "connections"  // one address had too many connections
)

// Values of the label decision beside review.Verdict's.
const (
	decisionUnavailable = "unavailable" // no answer now
	decisionError       = "error"       // no answer because of a fault
	decisionInvalid     = "invalid"     // not a review
	decisionTaken       = "taken"       // events, which are not answered
)

// Metrics are the counters of this package. No label holds text from a request: paths, names and unknown verbs would let anyone who
// can send a request fill the server's memory and the operator's Prometheus.
type Metrics struct {
	duration *prometheus.HistogramVec
	requests *prometheus.CounterVec
	inflight *prometheus.GaugeVec
	shedding *prometheus.CounterVec
	overruns prometheus.Gauge
}

// NewMetrics returns Metrics registered with registry; with nil, ones that are counted but never shown.
func NewMetrics(registry prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "portcullis_request_duration_seconds",
			Help: "How long reviews took, from the question to the decision.",
			// From half a millisecond, below which nothing is worth knowing, to past the API server's 30 seconds.
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 35},
			// Native buckets, each 10 % wider than the one before, for servers that collect them.
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  100,
			NativeHistogramMinResetDuration: time.Hour,
		}, []string{"webhook", "operation", "decision"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "portcullis_requests_total",
			Help: "Requests answered, by what was decided and by HTTP status code.",
		}, []string{"webhook", "operation", "decision", "code"}),
		inflight: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "portcullis_inflight_requests",
			Help: "Reviews under way, also those whose caller has been answered.",
		}, []string{"webhook"}),
		shedding: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "portcullis_shed_total",
			Help: "Reviews and connections turned away because there were too many.",
		}, []string{"reason"}),
		overruns: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "portcullis_overrun_evaluations",
			Help: "Reviews and policies still under way although their time was up and the caller was answered without them.",
		}),
	}
	for _, reason := range []string{shedBudget, shedBodies, shedSources} {
		m.shedding.WithLabelValues(reason) // shown as 0 from the start, so that alerts see the first increase
	}
	if registry == nil {
		return m, nil
	}
	for _, collector := range []prometheus.Collector{m.duration, m.requests, m.inflight, m.shedding, m.overruns} {
		if err := registry.Register(collector); err != nil {
			return nil, fmt.Errorf("registering the webhook's metrics: %w", err)
		}
	}
	return m, nil
}

func (m *Metrics) shed(reason string) {
	if m != nil {
		m.shedding.WithLabelValues(reason).Inc()
	}
}

// answered counts one response.
func (m *Metrics) answered(webhook, operation, decision string, code int) {
	m.requests.WithLabelValues(webhook, operation, decision, strconv.Itoa(code)).Inc()
}

// operationOf is the label for what is being done: the operation of an admission, the verb of an access request if it is one of
// the usual, and nothing for tokens and images.
func operationOf(req *review.Request) string {
	if req == nil {
		return ""
	}
	switch req.Verb {
	case "", "create", "update", "delete", "connect", "get", "list", "watch", "patch", "deletecollection",
		"impersonate", "bind", "escalate", "approve", "sign", "use", "post", "put", "head":
		return req.Verb
	}
	return "other"
}

// Overrun adds to portcullis_overrun_evaluations: 1 for a review or a policy that goes on although its time was up, -1 when it has ended.
func (m *Metrics) Overrun(by int) { m.overruns.Add(float64(by)) }
