package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// Server is the HTTPS listener the API server calls.
type Server struct {
	opts   Options
	http   *http.Server
	state  atomic.Int32
	now    func() time.Time
	jitter func() float64
	log    *slog.Logger
}

// States of a Server.
const (
	starting int32 = iota
	serving
	draining
)

// NewServer returns a Server for opts, or what is wrong with them.
func NewServer(opts Options) (*Server, error) {
	switch {
	case opts.Handler == nil:
		return nil, errors.New("webhook server: there is no handler")
	case opts.GetCertificate == nil:
		return nil, errors.New("webhook server: there is no source of certificates")
	}
	if err := opts.Clients.check(); err != nil {
		return nil, fmt.Errorf("webhook server: %w", err)
	}
	s := &Server{opts: opts, now: opts.Now, jitter: opts.Jitter, log: opts.Log}
	if s.now == nil {
		s.now = time.Now
	}
	if s.jitter == nil {
		s.jitter = rand.Float64
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.opts.MaxConnections = orDefault(opts.MaxConnections, DefaultMaxConnections)
	s.opts.MaxConnectionsPerSource = orDefault(opts.MaxConnectionsPerSource, DefaultMaxConnectionsPerSource)
	s.opts.MaxConnectionAge = orDefault(opts.MaxConnectionAge, DefaultMaxConnectionAge)
	s.opts.Drain = orDefault(opts.Drain, DefaultDrain)
	s.opts.Shutdown = orDefault(opts.Shutdown, DefaultShutdown)
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(!opts.DisableHTTP2)
	s.http = &http.Server{
		Handler:                      s.announcing(opts.Handler),
		TLSConfig:                    tlsConfig(opts),
		Protocols:                    &protocols,
		HTTP2:                        &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
		ReadHeaderTimeout:            readHeaderTimeout,
		ReadTimeout:                  readTimeout,
		WriteTimeout:                 writeTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               maxHeader,
		DisableGeneralOptionsHandler: true, // it would answer "OPTIONS *" with 200
		ErrorLog:                     errorLog(s.log),
		ConnContext:                  s.born,
	}
	return s, nil
}

// Run serves until ctx ends, then drains: Ready fails from that moment, requests are served on for Options.Drain with
// "Connection: close" in every answer, then the listener closes and requests in flight have Options.Shutdown to end. It returns
// nil after that, or the error that kept it from serving. Requests' contexts do not end with ctx.
//
// http.Server's SetKeepAlivesEnabled(false) looks like the same and is not: it closes idle connections at once, on which a request
// may be on its way.
func (s *Server) Run(ctx context.Context) error {
	listener := s.opts.Listener
	if listener == nil {
		var err error
		if listener, err = new(net.ListenConfig).Listen(ctx, "tcp", s.opts.Address); err != nil {
			return fmt.Errorf("webhook server: %w", err)
		}
	}
	lasting := context.WithoutCancel(ctx)
	s.http.BaseContext = func(net.Listener) context.Context { return lasting }
	limited := limitConnections(listener, s.opts.MaxConnections, s.opts.MaxConnectionsPerSource, s.opts.Metrics)
	failed := make(chan error, 1)
	go func() { failed <- s.http.ServeTLS(limited, "", "") }()
	s.state.Store(serving)
	select {
	case err := <-failed:
		s.state.Store(draining)
		return fmt.Errorf("webhook server: %w", err)
	case <-ctx.Done():
	}
	s.state.Store(draining)
	if err := s.drain(failed); err != nil {
		return fmt.Errorf("webhook server: %w", err)
	}
	stop, cancel := context.WithTimeout(lasting, s.opts.Shutdown)
	defer cancel()
	if err := s.http.Shutdown(stop); err != nil {
		return fmt.Errorf("webhook server: requests were still in flight %s after the drain and have been cut off: %w",
			s.opts.Shutdown, errors.Join(err, s.http.Close()))
	}
	return nil
}

// Close ends Run at once, without a drain: for a server that turns out to have nothing to serve with.
func (s *Server) Close() error { return s.http.Close() }

// drain waits while connections are told to close.
func (s *Server) drain(failed <-chan error) error {
	if s.opts.Drain < 0 {
		return nil
	}
	s.log.Info("draining: serving on while callers move to other replicas", "for", s.opts.Drain)
	timer := time.NewTimer(s.opts.Drain)
	defer timer.Stop()
	select {
	case err := <-failed:
		return err
	case <-timer.C:
		return nil
	}
}

// Ready is a readiness check: nil while the server serves and means to go on.
func (s *Server) Ready() error {
	switch s.state.Load() {
	case serving:
		return nil
	case draining:
		return errors.New("the server is draining")
	default:
		return errors.New("the server has not started yet")
	}
}

func orDefault[T int | time.Duration](value, fallback T) T {
	if value == 0 {
		return fallback
	}
	return value
}
