package webhook

import (
	"context"
	"net"
	"net/http"
	"time"
)

// expiryKey is where a connection's context holds the time from which it should close.
type expiryKey struct{}

// born is http.Server's ConnContext.
func (s *Server) born(ctx context.Context, _ net.Conn) context.Context {
	if s.opts.MaxConnectionAge < 0 {
		return ctx
	}
	age := float64(s.opts.MaxConnectionAge) * (1 - ageJitter + 2*ageJitter*s.jitter())
	return context.WithValue(ctx, expiryKey{}, s.now().Add(time.Duration(age)))
}

// announcing tells callers to close connections that are old, or all of them while draining. Only an announced end is safe: a
// caller that reads "Connection: close" never sends a request on that connection, where one that is merely closed loses the
// request that crosses the closing on its way. On HTTP/2 Go's server makes a GOAWAY of the header, which says the same.
func (s *Server) announcing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&announcer{ResponseWriter: w, closing: func() bool {
			expiry, ages := r.Context().Value(expiryKey{}).(time.Time)
			return s.state.Load() == draining || ages && !s.now().Before(expiry)
		}}, r)
	})
}

// announcer decides when the answer is written, not when the request came: a drain may have begun in between.
type announcer struct {
	http.ResponseWriter
	closing func() bool
	wrote   bool
}

func (a *announcer) WriteHeader(code int) {
	if !a.wrote && a.closing() {
		a.Header().Set("Connection", "close")
	}
	a.wrote = a.wrote || code >= http.StatusOK
	a.ResponseWriter.WriteHeader(code)
}

func (a *announcer) Write(b []byte) (int, error) {
	if !a.wrote {
		a.WriteHeader(http.StatusOK)
	}
	return a.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (a *announcer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
