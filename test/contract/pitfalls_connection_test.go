package contract

import (
	"context"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"github.com/portcullis-dev/portcullis/review"
)

// The API server says in the query how long it waits. A policy that would take minutes is stopped in time for an answer that says so,
// and its evaluation ends too.
func TestPitfall19TheCallersTimeoutReachesRego(t *testing.T) {
	stopped := make(chan struct{})
	queries := make(chan string, 1)
	s := serve(t, files{"slow.rego": policy("slow", "{resources: [pods]}",
		`deny contains "never" if { some a in numbers.range(1, 100000); some b in numbers.range(1, 100000); a + b < 0 }`)},
		func(o *setup) { o.seen = func(r *http.Request) { queries <- r.URL.RawQuery } })
	s.asked.stopped = stopped
	api := newAPIServer(t, s, s.onlyValidating(func(h *admissionregistrationv1.ValidatingWebhook) { h.TimeoutSeconds = new(int32(1)) }))
	out := api.send(t, createPod(pod()))
	if want := denied(validateHook, "slow: the policy could not be evaluated: it did not answer in time"); out.refusal() != want {
		t.Errorf("the user reads %q\nwant %q", out.refusal(), want)
	}
	if out.code() != 500 {
		t.Errorf("the code is %d", out.code())
	}
	if query := <-queries; query != "timeout=1s" {
		t.Errorf("the query is %q", query)
	}
	<-stopped
}

// An API server speaks HTTP/1.1 to a Service, one request a connection at a time, and keeps 25 idle ones, each for 90 seconds: nothing
// of ours may close one earlier, or the request that crosses the closing is lost. On loopback addresses it speaks HTTP/2.
func TestPitfall20TwentyFiveConnectionsAreKeptLongerThanTheCallerKeepsThem(t *testing.T) {
	t.Parallel() // the server takes a second to part from a caller over HTTP/2
	const kept = 25
	var protocols sync.Map
	listener := &watched{}
	gate := &gate{}
	s := serve(t, files{"a.rego": policy("a", "{resources: [pods]}", `warn contains "seen"`)}, func(o *setup) {
		o.listener = func(l net.Listener) net.Listener { listener.Listener = l; return listener }
		o.seen = func(r *http.Request) { protocols.Store(r.Proto, true) }
		o.around = gate.around
	})
	wave := func(api *apiserver, n int) {
		t.Helper()
		gate.open(n)
		var calls sync.WaitGroup
		for range n {
			calls.Go(func() {
				if out := api.send(t, createPod(pod())); out.err != nil {
					t.Error(out.err)
				}
			})
		}
		calls.Wait()
	}
	api := newAPIServer(t, s, s.onlyValidating())
	wave(api, kept) // all at once, so that each needs a connection
	wave(api, kept)
	if got := listener.accepted(); got != kept {
		t.Errorf("%d connections were made for twice %d requests", got, kept)
	}
	if _, old := protocols.Load("HTTP/1.1"); !old || length(&protocols) != 1 {
		t.Error("a request came over something else than HTTP/1.1")
	}
	wave(api, 1) // after an answer the deadline of idle connections is set; that it was is certain once the next answer is there
	if got := listener.longestIdle(); got <= 90*time.Second {
		t.Errorf("an idle connection is closed after %s", got)
	}

	url := s.onlyValidating(func(h *admissionregistrationv1.ValidatingWebhook) {
		h.ClientConfig = admissionregistrationv1.WebhookClientConfig{URL: new("https://" + s.address + "/validate"), CABundle: s.ca}
	})
	wave(newAPIServer(t, s, url), 1)
	if _, new := protocols.Load("HTTP/2.0"); !new {
		t.Error("on a loopback address it should have been HTTP/2")
	}
}

func length(m *sync.Map) (n int) {
	m.Range(func(any, any) bool { n++; return true })
	return n
}

// gate holds reviews until so many as it was opened for are there.
type gate struct {
	mu      sync.Mutex
	arrived *sync.WaitGroup
}

func (g *gate) open(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.arrived = &sync.WaitGroup{}
	g.arrived.Add(n)
}

func (g *gate) around(next review.Reviewer) review.Reviewer {
	return review.ReviewerFunc(func(ctx context.Context, req *review.Request) (review.Decision, error) {
		g.mu.Lock()
		arrived := g.arrived
		g.mu.Unlock()
		arrived.Done()
		arrived.Wait()
		return next.Review(ctx, req)
	})
}

// watched is a listener that counts connections and remembers how long they were allowed to wait for bytes.
type watched struct {
	net.Listener
	mu    sync.Mutex
	conns int
	waits []time.Duration
}

func (w *watched) Accept() (net.Conn, error) {
	conn, err := w.Listener.Accept()
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns++
	return &watchedConn{Conn: conn, by: w}, nil
}

func (w *watched) accepted() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.conns
}

func (w *watched) longestIdle() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Max(append(w.waits, 0))
}

type watchedConn struct {
	net.Conn
	by *watched
}

func (c *watchedConn) SetReadDeadline(deadline time.Time) error {
	c.by.mu.Lock()
	c.by.waits = append(c.by.waits, time.Until(deadline))
	c.by.mu.Unlock()
	return c.Conn.SetReadDeadline(deadline)
}
