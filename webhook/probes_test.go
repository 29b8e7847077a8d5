package webhook

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestProbes(t *testing.T) {
	registry := prometheus.NewRegistry()
	if _, err := NewMetrics(registry); err != nil {
		t.Fatal(err)
	}
	loaded, known := error(nil), ""
	h := NewProbes(ProbesOptions{Metrics: registry, Checks: []Check{
		{Name: "server", Check: func() error { return nil }},
		{Name: "policies", Check: func() error { return loaded }, Note: func() string { return known }},
	}}).Handler()
	get := func(method, path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		return w
	}
	check := func(method, path string, code int, body string) {
		t.Helper()
		if w := get(method, path); w.Code != code || w.Body.String() != body {
			t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
	}
	check("GET", "/healthz", 200, "ok\n")
	check("GET", "/readyz", 200, "[+]server ok\n[+]policies ok\nreadyz check passed\n")
	known = "they are\nof yesterday"
	check("GET", "/readyz", 200, "[+]server ok\n[+]policies ok: they are of yesterday\nreadyz check passed\n")
	loaded = errors.New("no policies\nare loaded yet")
	check("GET", "/readyz", 503, "[+]server ok\n[-]policies: no policies are loaded yet\nreadyz check failed\n")
	check("GET", "/healthz", 200, "ok\n")
	check("POST", "/healthz", 405, "this page can only be read\n")
	check("GET", "/readyz/", 404, "there is nothing at this path\n")
	check("GET", "/debug/pprof/", 404, "there is nothing at this path\n")
	if w := get("GET", "/metrics"); w.Code != 200 || !strings.Contains(w.Body.String(), `portcullis_shed_total{reason="memory"} 0`) {
		t.Errorf("/metrics: %d %s", w.Code, w.Body)
	}
	h = NewProbes(ProbesOptions{}).Handler()
	check("GET", "/metrics", 404, "there is nothing at this path\n")
	check("GET", "/readyz", 200, "readyz check passed\n")
}

func TestProbesRun(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- NewProbes(ProbesOptions{Listener: l}).Run(ctx) }()
	response, err := http.Get("http://" + l.Addr().String() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(response.Body); err != nil || string(body) != "ok\n" {
		t.Errorf("%s (%v)", body, err)
	}
	_ = response.Body.Close()
	if err := NewProbes(ProbesOptions{Address: l.Addr().String()}).Run(ctx); err == nil || !strings.HasPrefix(err.Error(), "probes: listen tcp") {
		t.Error(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
