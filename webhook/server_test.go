package webhook

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestNewServerRefuses(t *testing.T) {
	get := func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }
	pool := func() *x509.CertPool { return nil }
	for want, opts := range map[string]Options{
		"webhook server: there is no handler":                {GetCertificate: get},
		"webhook server: there is no source of certificates": {Handler: http.NotFoundHandler()},
		`webhook server: client certificates are checked but no name is allowed; name the API server's, or "*" for any certificate of that authority`: {
			Handler: http.NotFoundHandler(), GetCertificate: get, Clients: Clients{CAs: pool},
		},
		"webhook server: names of clients are allowed but there is no authority to check their certificates with": {
			Handler: http.NotFoundHandler(), GetCertificate: get, Clients: Clients{Names: []string{"*"}},
		},
	} {
		if _, err := NewServer(opts); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func TestServerLimits(t *testing.T) {
	s, err := NewServer(Options{Handler: http.NotFoundHandler(), GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }})
	if err != nil {
		t.Fatal(err)
	}
	if s.http.IdleTimeout <= 90*time.Second {
		t.Error("idle connections are closed before the API server closes them")
	}
	if s.http.WriteTimeout <= 34*time.Second {
		t.Error("answers may be cut off while the API server waits for them")
	}
	if s.http.ReadHeaderTimeout != 5*time.Second || s.http.ReadTimeout != 15*time.Second || s.http.MaxHeaderBytes != 32<<10 || s.http.HTTP2.MaxConcurrentStreams != 100 {
		t.Error("a limit is missing")
	}
	if s.opts.MaxConnections != 2048 || s.opts.MaxConnectionsPerSource != 1024 || s.opts.MaxConnectionAge != 5*time.Minute ||
		s.opts.Drain != 20*time.Second || s.opts.Shutdown != 25*time.Second {
		t.Errorf("the defaults are %+v", s.opts)
	}
	if err := s.Ready(); err == nil || err.Error() != "the server has not started yet" {
		t.Error(err)
	}
}

func TestRunCannotListen(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	s, err := NewServer(Options{Address: l.Addr().String(), Handler: http.NotFoundHandler(), GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "webhook server: listen tcp") {
		t.Error(err)
	}
}

func TestRunEndsWithItsListener(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, newAuthority(t), Options{Handler: http.NotFoundHandler(), Listener: l})
	_ = l.Close()
	if err := <-s.done; err == nil || !strings.HasPrefix(err.Error(), "webhook server: accept tcp") {
		t.Error(err)
	}
	if err := s.Ready(); err == nil {
		t.Error("it says it serves")
	}
}
