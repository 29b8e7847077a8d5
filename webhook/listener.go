package webhook

import (
	"net"
	"net/netip"
	"sync"

	"golang.org/x/net/netutil"
)

// limitConnections bounds the connections accepted from l. Beyond total, callers wait in the system's queue for a place; beyond
// perSource, connections of that address are closed, so that one address that holds on to its share cannot make the others wait.
func limitConnections(l net.Listener, total, perSource int, metrics *Metrics) net.Listener {
	return netutil.LimitListener(&sourceLimiter{Listener: l, max: perSource, metrics: metrics, open: map[netip.Addr]int{}}, total)
}

type sourceLimiter struct {
	net.Listener
	max     int
	metrics *Metrics

	mu   sync.Mutex
	open map[netip.Addr]int
}

func (l *sourceLimiter) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		source := sourceOf(conn)
		if l.take(source) {
			return &countedConn{Conn: conn, release: sync.OnceFunc(func() { l.giveBack(source) })}, nil
		}
		l.metrics.shed(shedSources)
		_ = conn.Close()
	}
}

func (l *sourceLimiter) take(source netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[source] >= l.max {
		return false
	}
	l.open[source]++
	return true
}

func (l *sourceLimiter) giveBack(source netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[source]--; l.open[source] <= 0 {
		delete(l.open, source)
	}
}

// sourceOf is the remote address without its port; connections that have none share the zero address.
func sourceOf(conn net.Conn) netip.Addr {
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

type countedConn struct {
	net.Conn
	release func()
}

func (c *countedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}
