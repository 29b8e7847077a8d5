package drills

import (
	"crypto/tls"
	"testing"
	"time"
)

// TestCallers (T5): nobody but the API server is let in. That it is let in, throughout all drills, and that a caller with its certificate is,
// is the control.
func TestCallers(t *testing.T) {
	w := start(t)
	stranger, err := newAuthority("callers") // of the same name
	if err != nil {
		t.Fatal(err)
	}
	shown := func(a *authority, name string, until time.Time) []tls.Certificate {
		p, err := a.issue(name, until)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := p.certificate()
		if err != nil {
			t.Fatal(err)
		}
		return []tls.Certificate{cert}
	}
	later := time.Now().Add(time.Hour)
	question := review(t, "ConfigMap", work)
	calls := rounds(20, 2500)
	for _, c := range []struct {
		what  string
		shown []tls.Certificate
	}{
		{"without a certificate", nil},
		{"with that of another authority", shown(stranger, apiServer, later)},
		{"with one of another name", shown(w.callers, "alice", later)},
		{"with one that has expired", shown(w.callers, apiServer, time.Now().Add(-time.Minute))},
	} {
		caller := w.direct(t, c.shown...)
		for range calls {
			for pod, address := range w.addresses(t) {
				if got, err := caller.ask(t.Context(), address, question); err == nil {
					t.Fatalf("a caller %s is answered by %s: %+v", c.what, pod, got)
				}
			}
		}
	}
	caller := w.asAPIServer(t)
	for pod, address := range w.addresses(t) {
		if got, err := caller.ask(t.Context(), address, question); err != nil || got.message() == "" {
			t.Errorf("control: %s does not answer the API server: %+v, %v", pod, got, err)
		}
	}
	if !refusedBy(w.configMap(t.Context(), false), "team") {
		t.Error("control: the API server is not answered")
	}
	figure(t, "T5: %d calls without a certificate, with another authority's, with another name's and with one that has expired: none answered", 4*calls*replicas)
}
