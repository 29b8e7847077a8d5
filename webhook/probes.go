package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/portcullis-dev/portcullis/review"
)

// Check is one condition of readiness.
type Check struct {
	Name  string       // "policies"
	Check func() error // nil when it is met, else one sentence for the operator
	// Note is what the operator should know of a condition that is met, one sentence, or nothing. Nil is nothing, always.
	Note func() string
}

// ProbesOptions say where to listen and what to show.
type ProbesOptions struct {
	// Address to listen at, as ":8081". Unused if Listener is set.
	Address string
	// Listener to accept from. Probes close it.
	Listener net.Listener
	// Checks must all be met for the server to be ready.
	Checks []Check
	// Metrics is what /metrics shows. Nil: there is no such page.
	Metrics prometheus.Gatherer
	// Log hears of metrics that cannot be gathered. Nil discards.
	Log *slog.Logger
}

// Probes is a plain HTTP server for the kubelet and Prometheus: /healthz is 200 while the process serves at all, /readyz is 200
// while every Check is met and lists them either way, and /metrics. Nothing there tells of requests.
type Probes struct{ opts ProbesOptions }

// NewProbes returns Probes.
func NewProbes(opts ProbesOptions) *Probes {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	return &Probes{opts: opts}
}

// Run serves until ctx ends, then returns nil. Let it end after Server.Run has returned: the drain shows on /readyz.
func (p *Probes) Run(ctx context.Context) error {
	listener := p.opts.Listener
	if listener == nil {
		var err error
		if listener, err = new(net.ListenConfig).Listen(ctx, "tcp", p.opts.Address); err != nil {
			return fmt.Errorf("probes: %w", err)
		}
	}
	server := &http.Server{
		Handler:                      p.Handler(),
		ReadHeaderTimeout:            readHeaderTimeout,
		ReadTimeout:                  readTimeout,
		WriteTimeout:                 writeTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               maxHeader,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     errorLog(p.opts.Log),
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	// No per-address limit: the kubelet and Prometheus keep a few connections each.
	err := server.Serve(limitConnections(listener, maxProbeConnections, maxProbeConnections, nil))
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("probes: %w", err)
}

// maxProbeConnections is a hundred times what the kubelet and a pair of Prometheus servers need.
const maxProbeConnections = 256

// Handler is what Run serves, for listeners of one's own.
func (p *Probes) Handler() http.Handler {
	pages := map[string]http.Handler{
		"/healthz": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "ok\n") }),
		"/readyz":  http.HandlerFunc(p.ready),
	}
	if p.opts.Metrics != nil {
		pages["/metrics"] = promhttp.HandlerFor(p.opts.Metrics, promhttp.HandlerOpts{
			ErrorLog: errorLog(p.opts.Log), EnableOpenMetrics: true, MaxRequestsInFlight: 4, Timeout: 10 * time.Second,
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page, known := pages[r.URL.Path]
		switch {
		case !known:
			writeText(w, http.StatusNotFound, "there is nothing at this path\n")
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			writeText(w, http.StatusMethodNotAllowed, "this page can only be read\n")
		default:
			page.ServeHTTP(w, r)
		}
	})
}

// ready lists the checks as the API server's /readyz?verbose does.
func (p *Probes) ready(w http.ResponseWriter, _ *http.Request) {
	var out strings.Builder
	code, last := http.StatusOK, "readyz check passed\n"
	for _, check := range p.opts.Checks {
		if err := check.Check(); err != nil {
			code, last = http.StatusServiceUnavailable, "readyz check failed\n"
			fmt.Fprintf(&out, "[-]%s: %s\n", check.Name, review.Sentence(err.Error(), maxLogged))
			continue
		}
		fmt.Fprintf(&out, "[+]%s ok%s\n", check.Name, check.note())
	}
	writeText(w, code, out.String()+last)
}

func (c Check) note() string {
	if c.Note == nil {
		return ""
	}
	if text := c.Note(); text != "" {
		return ": " + review.Sentence(text, maxLogged)
	}
	return ""
}

func writeText(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(text))
}
