package webhook

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Limits of a connection.
const (
	// readHeaderTimeout: an API server sends its headers in one packet; it is also the time for the TLS handshake.
	readHeaderTimeout = 5 * time.Second
	// readTimeout: 20 MiB within it is 11 Mbit/s, which an API server's network passes.
	readTimeout = 15 * time.Second
	// writeTimeout counts from the end of the header to the end of the answer. The API server abandons any request after 34
	// seconds, so what is written later is for nobody.
	writeTimeout = 35 * time.Second
	// idleTimeout is longer than the 90 seconds after which the API server closes an idle connection: if ours were the shorter,
	// a request sent at the moment we close would be lost, and it sends a POST only once.
	idleTimeout = 150 * time.Second
	// maxHeader: the API server's headers have 300 bytes, with a bearer token or trace context a few thousand more.
	maxHeader = 32 << 10
	// maxStreams is per HTTP/2 connection; more requests wait in the API server.
	maxStreams = 100
)

// Defaults of Options.
const (
	// DefaultMaxConnectionsPerSource: an API server has at most 600 requests in flight by default, each with one HTTP/1.1
	// connection to us, and keeps 25 idle ones for each of some six paths: 750, rounded up. Several behind one address, as with
	// a tunnel to managed control planes, rarely reach that together.
	DefaultMaxConnectionsPerSource = 1024
	// DefaultMaxConnections keeps one address from taking all. A TLS connection holds about 50 KiB, so this is 100 MiB.
	DefaultMaxConnections = 2 * DefaultMaxConnectionsPerSource
	// DefaultMaxConnectionAge spreads load over new replicas: API servers keep connections and never rebalance them.
	DefaultMaxConnectionAge = 5 * time.Minute
	// DefaultDrain is how long after the end was announced requests are still served: until every API server's proxy rules
	// have forgotten this replica, and every connection in use was told to close.
	DefaultDrain = 20 * time.Second
	// DefaultShutdown is for requests in flight after that. With DefaultDrain it stays below a grace period of 60 seconds.
	DefaultShutdown = 25 * time.Second
)

// ageJitter is the share of the maximum age by which connections opened together end apart.
const ageJitter = 0.2

// Options of a Server.
type Options struct {
	// Address to listen at, as ":8443". Unused if Listener is set.
	Address string
	// Listener to accept from, without TLS. The Server closes it.
	Listener net.Listener
	// Handler gets the requests; it is usually a *Handler.
	Handler http.Handler
	// GetCertificate returns the certificate to show, see tls.Config.
	GetCertificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// Clients says who may call. Its zero value lets everybody.
	Clients Clients
	// DisableHTTP2 turns HTTP/2 off where it would be offered, which is on loopback addresses only.
	DisableHTTP2 bool
	// MaxConnections and MaxConnectionsPerSource bound open connections, in all and by remote address. More than the first wait
	// to be accepted; more than the second are closed. 0 means the default.
	MaxConnections, MaxConnectionsPerSource int
	// MaxConnectionAge, give or take a fifth, is when a connection is told to close, with the answer to the next request on it.
	// 0 means DefaultMaxConnectionAge, negative never.
	MaxConnectionAge time.Duration
	// Drain is how long to serve on after the context of Run ended, telling every connection to close. 0 means DefaultDrain,
	// negative not at all.
	Drain time.Duration
	// Shutdown is how long after the drain requests in flight may take. 0 means DefaultShutdown.
	Shutdown time.Duration
	// Metrics counts connections turned away. May be nil.
	Metrics *Metrics
	// Log hears of failed handshakes and of the drain. Nil discards.
	Log *slog.Logger
	// Now is the clock by which connections age. Nil means time.Now.
	Now func() time.Time
	// Jitter returns a number from 0 to 1. Nil means a random one.
	Jitter func() float64
}
