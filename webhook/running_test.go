package webhook

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// running is a Server under test.
type running struct {
	*Server
	addr string
	ca   *authority
	stop context.CancelFunc
	done chan error
}

// start runs a Server on loopback until the test ends, with no drain unless opts say otherwise.
func start(t testing.TB, ca *authority, opts Options) *running {
	t.Helper()
	if opts.Listener == nil {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		opts.Listener = l
	}
	cert := ca.server(t)
	opts.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cert, nil }
	if opts.Drain == 0 {
		opts.Drain = -1
	}
	s, err := NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	out := &running{Server: s, addr: opts.Listener.Addr().String(), ca: ca, done: make(chan error, 1)}
	var ctx context.Context
	ctx, out.stop = context.WithCancel(t.Context())
	go func() { out.done <- s.Run(ctx) }()
	eventually(t, "the server serves", func() bool { return s.Ready() == nil })
	t.Cleanup(out.stop)
	return out
}

// clientTLS is what an API server's client does.
func (r *running) clientTLS(protos ...string) *tls.Config {
	return &tls.Config{RootCAs: r.ca.pool(), ServerName: serviceName, NextProtos: protos, MinVersion: tls.VersionTLS12}
}

// dial opens a connection to write raw HTTP on.
func (r *running) dial(t testing.TB) *tls.Conn {
	t.Helper()
	conn, err := tls.Dial("tcp", r.addr, r.clientTLS())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// answer is a response read to its end.
type answer struct {
	code    int
	closing bool // the server announced that it closes the connection
	header  http.Header
	body    string
}

func readAnswer(in *bufio.Reader) (answer, error) {
	response, err := http.ReadResponse(in, nil)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Close, response.Header, string(body)}, err
}
