package webhook

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// TestConnectionsPerSource gives two addresses two connections each.
func TestConnectionsPerSource(t *testing.T) {
	var mu sync.Mutex
	remote := from("10.0.0.1")
	l := overNetwork(t, "10.1.2.3", func() net.Addr {
		mu.Lock()
		defer mu.Unlock()
		return remote()
	})
	m, err := NewMetrics(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, newAuthority(t), Options{Handler: handler(t, allowing()), Listener: l, MaxConnectionsPerSource: 2, Metrics: m})
	first := s.dial(t)
	s.dial(t)
	if err := shake(s.addr, s.clientTLS()); err == nil {
		t.Error("a third connection is served")
	}
	if n := testutil.ToFloat64(m.shedding.WithLabelValues(shedSources)); n != 1 {
		t.Errorf("%g are counted", n)
	}
	mu.Lock()
	remote = from("::ffff:10.0.0.1") // the same one
	mu.Unlock()
	if err := shake(s.addr, s.clientTLS()); err == nil {
		t.Error("another spelling of the address has a share of its own")
	}
	mu.Lock()
	remote = from("10.0.0.2")
	mu.Unlock()
	s.dial(t)
	mu.Lock()
	remote = from("10.0.0.1")
	mu.Unlock()
	_ = first.Close()
	eventually(t, "a closed connection makes room", func() bool { return shake(s.addr, s.clientTLS()) == nil })
}

// TestConnectionsInAll lets a third connection wait until one of two is closed.
func TestConnectionsInAll(t *testing.T) {
	s := start(t, newAuthority(t), Options{Handler: handler(t, allowing()), MaxConnections: 2})
	first := s.dial(t)
	s.dial(t)
	done := make(chan error, 1)
	go func() { done <- shake(s.addr, s.clientTLS()) }()
	select {
	case err := <-done:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	_ = first.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
