package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/test/props"
)

const dnsName = "portcullis.portcullis.svc"

// clock is a wall clock the test turns.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func noJitter() float64 { return 0 }

func selfSigned(t *testing.T, dir string, c *clock, names ...string) *SelfSigned {
	t.Helper()
	if len(names) == 0 {
		names = []string{dnsName}
	}
	s, err := NewSelfSigned(SelfSignedOptions{
		DNSNames: names, IPs: []net.IP{net.IPv4(127, 0, 0, 1)}, Dir: dir, Now: c.Now, Jitter: noJitter,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func leafOf(t *testing.T, s Source) *x509.Certificate {
	t.Helper()
	cert, err := s.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	return cert.Leaf
}

// trusted fails the test unless a caller that trusts bundle accepts the certificate for name at the given time.
func trusted(t *testing.T, bundle []byte, leaf *x509.Certificate, name string, now time.Time) {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(bundle) {
		t.Fatal("the bundle holds no certificate")
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: name, CurrentTime: now}); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, dir, name string, data []byte) {
	t.Helper()
	if err := replace(filepath.Join(dir, name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, dir, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// issued returns ca.crt, tls.crt and tls.key of a new authority.
func issued(t *testing.T, now time.Time) contents {
	t.Helper()
	ca, err := newAuthority(now)
	if err != nil {
		t.Fatal(err)
	}
	leaf, key, err := ca.issue(now, names{DNS: []string{dnsName}})
	if err != nil {
		t.Fatal(err)
	}
	keyPEM, err := encodeKeys(key)
	if err != nil {
		t.Fatal(err)
	}
	return contents{cert: encodeCertificates(leaf), key: keyPEM, ca: encodeCertificates(ca.cert)}
}

func putAll(t *testing.T, dir string, c contents) {
	t.Helper()
	put(t, dir, keyFile, c.key)
	put(t, dir, certificateFile, c.cert)
	if c.ca != nil {
		put(t, dir, authorityFile, c.ca)
	}
}

var eventually = props.Eventually

// dialAt does one handshake with what s shows, trusting what it said to trust just before.
func dialAt(s Source, c *clock, l net.Listener) error {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.CABundle())
	conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{
		RootCAs: pool, ServerName: dnsName, MinVersion: tls.VersionTLS12, Time: c.Now,
	})
	if err != nil {
		return err
	}
	return conn.Close()
}

// listen accepts handshakes with what s shows until the test ends.
func listen(t *testing.T, s Source) net.Listener {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{GetCertificate: s.GetCertificate, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_ = conn.(*tls.Conn).Handshake()
				_ = conn.Close()
			}()
		}
	}()
	return l
}

type logged struct{ props.Buffer }

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func contextOf(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithCancel(t.Context())
}
