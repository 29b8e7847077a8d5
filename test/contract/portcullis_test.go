// Package contract has the packages by which a Kubernetes API server calls webhooks call our server, over TLS on the loopback
// interface. What the API server would do with an answer is decided by its own code and not by what we believe of it.
package contract

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/audit/decisions"
	"github.com/portcullis-dev/portcullis/certs"
	"github.com/portcullis-dev/portcullis/cmd"
	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/language"
	"github.com/portcullis-dev/portcullis/policies/native"
	"github.com/portcullis-dev/portcullis/review"
	"github.com/portcullis-dev/portcullis/webhook"
)

func TestMain(m *testing.M) {
	language.Register()
	os.Exit(m.Run())
}

// The Service behind which an API server in a cluster finds the server. Here a resolver takes its place.
const (
	serviceNamespace = "portcullis-system"
	serviceName      = "portcullis"
	serviceHost      = serviceName + "." + serviceNamespace + ".svc"
)

// files are a bundle of policies, text by name.
type files map[string]string

// policy is the text of a policy in package name: match as METADATA spells it, then rules.
func policy(name, match, rules string) string {
	return "# METADATA\n# custom:\n#   portcullis:\n#     match: " + match + "\npackage " + name +
		"\n\nimport data.portcullis.kubernetes\n\n" + rules + "\n"
}

// setup is what a test may change of the server it starts.
type setup struct {
	library     []string                                             // names of library policies in force
	unloaded    bool                                                 // no policies are loaded
	exempt      []string                                             // namespaces
	namespaces  policies.Namespaces                                  // nil: none is known
	around      webhook.Decorator                                    // innermost, where a policy would panic or fail
	listener    func(net.Listener) net.Listener                      // around the server's listener
	certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error) // nil: a self-signed one
	maxAge      time.Duration                                        // of connections
	log         io.Writer                                            // debug level; nil discards
	decisions   io.Writer                                            // nil: no decision log
	impatient   bool                                                 // answers say nothing of trying again
	seen        func(r *http.Request)                                // hears of every request
}

// server is our server, serving.
type server struct {
	address string
	ca      []byte
	engine  *policies.Engine
	asked   *asked
	heard   *heard
	metrics *cmd.Metrics
	stop    func() // ends it and waits, also for the last decision record
}

// serve starts the server with a bundle. Requests take the very way they take in the product, that of cmd.Wiring, to the policies.
func serve(t testing.TB, bundle files, change ...func(*setup)) *server {
	t.Helper()
	var opts setup
	for _, c := range change {
		c(&opts)
	}
	s := &server{engine: &policies.Engine{}, asked: &asked{}, heard: &heard{}}
	if !opts.unloaded {
		s.engine.Use(compile(t, bundle, opts, s.asked))
	}
	if opts.certificate == nil {
		source, err := certs.NewSelfSigned(certs.SelfSignedOptions{
			DNSNames: []string{serviceHost}, IPs: []net.IP{net.IPv4(127, 0, 0, 1)},
		})
		must(t, err)
		opts.certificate, s.ca = source.GetCertificate, source.CABundle()
	}
	log := slog.New(slog.DiscardHandler)
	if opts.log != nil {
		log = slog.New(slog.NewTextHandler(opts.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	var err error
	s.metrics, err = cmd.NewMetrics(log)
	must(t, err)
	wiring := cmd.Wiring{Answers: s.answers(opts), Metrics: s.metrics, Memory: 256 << 20, Exempt: opts.exempt, Log: log}
	background := func(context.Context) error { return nil }
	if opts.decisions != nil {
		recorder := decisions.NewRecorder(opts.decisions, time.Now)
		wiring.Recorders, background = decisions.Recorders{recorder}, recorder.Start
	}
	handler, err := wiring.Handler()
	must(t, err)
	s.run(t, opts, webhook.Options{
		Handler:          seeing(opts, handler),
		GetCertificate:   opts.certificate,
		MaxConnectionAge: opts.maxAge,
		Drain:            -1,
		Metrics:          s.metrics.Webhook,
		Log:              log,
	}, background)
	return s
}

// answers are those of the product, with heard before them and what a test puts in their place.
func (s *server) answers(opts setup) func(review.Stage) review.Reviewer {
	answers := cmd.Answers(s.engine, nil)
	return func(stage review.Stage) review.Reviewer {
		around := []webhook.Decorator{s.heard.around}
		if opts.around != nil {
			around = append(around, opts.around)
		}
		return webhook.Decorate(answers(stage), around...)
	}
}

// run serves until the test ends or stop is called.
func (s *server) run(t testing.TB, opts setup, options webhook.Options, background func(context.Context) error) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	s.address = listener.Addr().String()
	if options.Listener = listener; opts.listener != nil {
		options.Listener = opts.listener(listener)
	}
	web, err := webhook.NewServer(options)
	must(t, err)
	// Cleanups run after t.Context() has ended, and the decision log must outlive the server.
	serving, stopServing := context.WithCancel(context.Background())
	recording, stopRecording := context.WithCancel(context.Background())
	var server, log sync.WaitGroup
	server.Go(func() {
		if err := web.Run(serving); err != nil {
			t.Error(err)
		}
	})
	log.Go(func() {
		if err := background(recording); err != nil {
			t.Error(err)
		}
	})
	s.stop = sync.OnceFunc(func() {
		stopServing()
		server.Wait()
		stopRecording()
		log.Wait()
	})
	t.Cleanup(s.stop)
}

// compile makes the set of a bundle.
func compile(t testing.TB, bundle files, opts setup, observe policies.Observer) *policies.Set {
	t.Helper()
	reader, err := cmd.NewReader()
	must(t, err)
	var read []native.File
	for name, text := range bundle {
		read = append(read, native.File{Name: name, Text: []byte(text)})
	}
	specs, faults := reader.Read(read)
	used, unknown := reader.Use(opts.library...)
	if len(faults)+len(unknown) > 0 {
		t.Fatal(faults, unknown)
	}
	options := []policies.Option{policies.WithObserver(observe)}
	if opts.namespaces != nil {
		options = append(options, policies.WithNamespaces(opts.namespaces))
	}
	set, err := policies.Compile(t.Context(), append(specs, used...), options...)
	must(t, err)
	return set
}

// seeing tells opts.seen of every request. For an impatient test it takes Retry-After out of the answers, or the API server would repeat
// every request that fails for as long as its timeout lasts.
func seeing(opts setup, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if opts.seen != nil {
			opts.seen(r)
		}
		if opts.impatient {
			w = &impatientWriter{w}
		}
		next.ServeHTTP(w, r)
	})
}

type impatientWriter struct{ http.ResponseWriter }

func (w *impatientWriter) WriteHeader(code int) {
	w.Header().Del("Retry-After")
	w.ResponseWriter.WriteHeader(code)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// asked is a policies.Observer that counts how often each policy was asked.
type asked struct {
	mu       sync.Mutex
	times    map[string]int
	running  int // evaluations that used up their time and have not stopped
	overruns int
	stopped  chan struct{} // closed when the first of them has
}

func (a *asked) Asked(policy string, _ time.Duration, _ error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.times == nil {
		a.times = map[string]int{}
	}
	a.times[policy]++
}

func (a *asked) Overrun(_ string, by int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.running += by; by > 0 {
		a.overruns++
	} else if a.stopped != nil {
		close(a.stopped)
		a.stopped = nil
	}
}

func (*asked) Quarantined(string) {}

// take returns the counts since the last call.
func (a *asked) take() map[string]int {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := a.times
	if a.times = nil; out == nil {
		out = map[string]int{}
	}
	return out
}

// heard keeps the questions that got through to policies.
type heard struct {
	mu       sync.Mutex
	requests []*review.Request
}

func (h *heard) around(next review.Reviewer) review.Reviewer {
	return review.ReviewerFunc(func(ctx context.Context, req *review.Request) (review.Decision, error) {
		h.mu.Lock()
		h.requests = append(h.requests, req)
		h.mu.Unlock()
		return next.Review(ctx, req)
	})
}

// take returns the questions since the last call.
func (h *heard) take() []*review.Request {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := h.requests
	h.requests = nil
	return out
}
