package main

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestPercentile(t *testing.T) {
	hundred := make(latencies, 100)
	for i := range hundred {
		hundred[i] = time.Duration(100 - i)
	}
	hundred = sorted(hundred)
	for _, c := range []struct {
		of    latencies
		share float64
		want  time.Duration
	}{
		{hundred, 0.5, 50},
		{hundred, 0.9, 90},
		{hundred, 0.99, 99},
		{hundred, 1, 100},
		{hundred, 0, 1},
		{latencies{1, 2, 3}, 0.5, 2},
		{latencies{1, 2, 3, 4}, 0.5, 2},
		{latencies{7}, 0.99, 7},
		{nil, 0.5, 0},
	} {
		if got := c.of.percentile(c.share); got != c.want {
			t.Errorf("percentile %v of %d values is %d, not %d", c.share, len(c.of), got, c.want)
		}
	}
}

func TestMedian(t *testing.T) {
	for want, values := range map[float64][]float64{0: nil, 3: {3}, 2: {9, 1, 2}, 2.5: {4, 1, 3, 2}} {
		before := slices.Clone(values)
		if got := median(values); got != want || !slices.Equal(values, before) {
			t.Errorf("the median of %v is %v, not %v", before, got, want)
		}
	}
}

func TestClosedLoopKeepsSoManyInFlightAndStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var flying, most atomic.Int64
		got, err := load{inFlight: 4, duration: time.Second}.run(t.Context(), func(context.Context) error {
			if n := flying.Add(1); n > most.Load() {
				most.Store(n)
			}
			defer flying.Add(-1)
			time.Sleep(10 * time.Millisecond)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(got.took) != 400 || most.Load() != 4 || got.elapsed != time.Second {
			t.Errorf("%d requests, at most %d in flight, in %s; not 400, 4 and 1s", len(got.took), most.Load(), got.elapsed)
		}
		if got.took[0] != 10*time.Millisecond || got.took.percentile(1) != 10*time.Millisecond || got.perSecond() != 400 {
			t.Errorf("took from %s to %s, %v/s", got.took[0], got.took.percentile(1), got.perSecond())
		}
	})
}

func TestCountBoundsARun(t *testing.T) {
	got, err := load{inFlight: 3, duration: time.Minute, count: 10}.run(t.Context(), func(context.Context) error { return nil })
	if err != nil || len(got.took) != 10 {
		t.Errorf("%d requests and %v, not 10", len(got.took), err)
	}
}

// A server that stalls once for half a second delays the requests due meanwhile. Counted from when they were sent, one of them would
// be slow; counted from when they should have been, half of them are.
func TestOpenLoopCountsFromTheIntendedStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var number atomic.Int64
		got, err := load{inFlight: 1, rate: 100, duration: time.Second}.run(t.Context(), func(context.Context) error {
			if number.Add(1) == 1 {
				time.Sleep(500 * time.Millisecond)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(got.took) != 100 {
			t.Errorf("%d requests were sent, not 100", len(got.took))
		}
		if most, late := got.took.percentile(1), got.took.percentile(0.9); most != 500*time.Millisecond || late != 400*time.Millisecond {
			t.Errorf("the slowest took %s and the 90th percentile %s, not 500ms and 400ms", most, late)
		}
		if quick := got.took.percentile(0.5); quick != 0 {
			t.Errorf("after the stall a request took %s", quick)
		}
	})
}

func TestOpenLoopGivesUpOnAServerThatIsTooSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, err := load{inFlight: 1, rate: 1000, duration: time.Second}.run(t.Context(), func(context.Context) error {
			time.Sleep(time.Second)
			return nil
		})
		if err == nil || !strings.Contains(err.Error(), "behind") {
			t.Errorf("the error is %v", err)
		}
	})
}

func TestTheFirstErrorEndsARun(t *testing.T) {
	broken := errors.New("broken")
	var asked atomic.Int64
	_, err := load{inFlight: 2, duration: time.Minute}.run(t.Context(), func(context.Context) error {
		if asked.Add(1) == 5 {
			return broken
		}
		return nil
	})
	if !errors.Is(err, broken) || asked.Load() > 10 {
		t.Errorf("after %d requests the error is %v", asked.Load(), err)
	}
}

// counting is a server that says how it was asked.
type counting struct {
	requests atomic.Int64
	status   int
	wrong    atomic.Value
}

func (c *counting) start(t *testing.T, http2 bool) (base string, roots *x509.CertPool) {
	t.Helper()
	server := httptest.NewUnstartedServer(c)
	server.EnableHTTP2 = http2
	server.Config.ErrorLog = nil
	server.StartTLS()
	t.Cleanup(server.Close)
	roots = x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return server.URL, roots
}

func (c *counting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.requests.Add(1)
	body, _ := io.ReadAll(r.Body)
	switch {
	case r.TLS.DidResume:
		c.wrong.Store("a TLS session was resumed")
	case r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json":
		c.wrong.Store("not a POST of JSON")
	case string(body) != "{}":
		c.wrong.Store("the body did not arrive")
	}
	w.Header().Set("Proto", r.Proto)
	w.WriteHeader(c.status)
	_, _ = io.WriteString(w, r.Proto)
}

func TestCallerAsksLikeTheAPIServer(t *testing.T) {
	for speak, proto := range map[protocol]string{http1: "HTTP/1.1", http2: "HTTP/2.0"} {
		server := &counting{status: http.StatusOK}
		base, roots := server.start(t, true)
		c := newCaller(base, roots, speak)
		defer c.close()
		check := func(answer []byte) error {
			if string(answer) != proto {
				return errors.New("the wrong protocol was spoken")
			}
			return nil
		}
		got, err := load{inFlight: 4, duration: time.Minute, count: 200}.run(t.Context(), func(ctx context.Context) error {
			return c.ask(ctx, question{path: "/x", body: []byte("{}"), check: check})
		})
		if err != nil {
			t.Fatal(err)
		}
		if wrong := server.wrong.Load(); wrong != nil {
			t.Error(wrong)
		}
		if len(got.took) != 200 || server.requests.Load() != 200 {
			t.Errorf("%s: %d latencies of %d requests, not of 200", proto, len(got.took), server.requests.Load())
		}
	}
}

func TestWhatIsNotAGoodAnswerIsAnError(t *testing.T) {
	server := &counting{status: http.StatusServiceUnavailable}
	base, roots := server.start(t, false)
	q := question{path: "/x", body: []byte("{}"), check: func([]byte) error { return nil }}
	c := newCaller(base, roots, http1)
	defer c.close()
	if err := c.ask(t.Context(), q); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("the error of a 503 is %v", err)
	}
	server.status = http.StatusOK
	q.check = func([]byte) error { return errors.New("not as expected") }
	if err := c.ask(t.Context(), q); err == nil || !strings.Contains(err.Error(), "not as expected") {
		t.Errorf("the error of a wrong answer is %v", err)
	}
}

func TestOnlyThisMachineIsPutUnderLoad(t *testing.T) {
	c := newCaller("https://192.0.2.1:443", x509.NewCertPool(), http1)
	err := c.ask(t.Context(), question{path: "/x", check: func([]byte) error { return nil }})
	if err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("the error is %v", err)
	}
}
