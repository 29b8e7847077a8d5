package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// checkEvery is how often a SelfSigned looks at the clock. A timer set for the moment of renewal would count the time the machine
// was awake, and a suspended one would renew days late.
const checkEvery = 30 * time.Second

// SelfSignedOptions say what to certify and where to keep it.
type SelfSignedOptions struct {
	// DNSNames and IPs are what the certificate is for: for a Service "portcullis.portcullis.svc" and the longer
	// "portcullis.portcullis.svc.cluster.local". At least one of either is needed.
	DNSNames []string
	IPs      []net.IP
	// Dir keeps ca.crt, ca.key, tls.crt and tls.key across restarts. It is made if it does not exist. Empty: memory only.
	Dir string
	// Log hears of renewals and of failures to renew or save. Nil discards.
	Log *slog.Logger
	// Now is the wall clock. Nil means time.Now.
	Now func() time.Time
	// Jitter returns a number from 0 to 1, by which replicas spread their renewals. Nil means a random one.
	Jitter func() float64
}

// SelfSigned is a Source that is its own certificate authority: an authority of one year and ECDSA P-256 leaves of seven days,
// each replaced when two thirds of its life have passed. A new authority is in the bundle for an hour before it signs what callers
// see, and the old one stays in the bundle until it expires.
type SelfSigned struct {
	names  names
	store  store
	log    *slog.Logger
	now    func() time.Time
	jitter func() float64

	current atomic.Pointer[served]

	mu       sync.Mutex // guards what follows: renewing is one goroutine's work at a time
	material material
	early    float64
	unsaved  bool
}

// dwellUnasked is how long a new authority stands in the bundle before it signs what callers are shown, where nobody says that they
// know it. Informers lag by seconds and people who copy bundles by minutes.
const dwellUnasked = time.Hour

// served is what handshakes and readers of the bundle see, published whole.
type served struct {
	certificate *tls.Certificate
	bundle      []byte
}

// NewSelfSigned returns a SelfSigned that has a certificate already: what opts.Dir holds where it still serves, else a new one.
// A file there that cannot be used is an error that names it and says what to do.
func NewSelfSigned(opts SelfSignedOptions) (*SelfSigned, error) {
	s := &SelfSigned{
		names:  names{DNS: opts.DNSNames, IPs: opts.IPs},
		store:  store{dir: opts.Dir},
		log:    orDiscard(opts.Log),
		now:    opts.Now,
		jitter: opts.Jitter,
	}
	if len(s.names.DNS)+len(s.names.IPs) == 0 {
		return nil, errors.New("self-signed certificate: there is no DNS name and no IP address to certify")
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.jitter == nil {
		s.jitter = rand.Float64
	}
	loaded, err := s.store.load()
	if err != nil {
		return nil, fmt.Errorf("self-signed certificate: %w", err)
	}
	s.material = loaded
	s.early = s.jitter()
	if loaded.leaf != nil && !s.names.covered(loaded.leaf) {
		s.log.Info("the certificate does not cover the names wanted now; making a new one", "dir", opts.Dir)
		s.material.leaf = nil
	}
	if err := s.renew(); err != nil {
		return nil, fmt.Errorf("self-signed certificate: %w", err)
	}
	return s, nil
}

// GetCertificate returns the current certificate.
func (s *SelfSigned) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	cert := s.current.Load().certificate
	if now := s.now(); !now.Before(cert.Leaf.NotAfter) {
		return nil, fmt.Errorf("the self-signed certificate expired at %s and could not be renewed", stamp(cert.Leaf.NotAfter))
	}
	return cert, nil
}

// CABundle is the signing authority and those it took over from.
func (s *SelfSigned) CABundle() []byte { return s.current.Load().bundle }

// Ready reports whether the certificate is in force.
func (s *SelfSigned) Ready() bool {
	_, err := s.GetCertificate(nil)
	return err == nil
}

// NotAfter is when the current certificate expires.
func (s *SelfSigned) NotAfter() time.Time { return s.current.Load().certificate.Leaf.NotAfter }

// Start renews until ctx ends. What fails is logged and tried again 30 seconds later.
func (s *SelfSigned) Start(ctx context.Context) error {
	ticker := time.NewTicker(checkEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if err := s.renew(); err != nil {
				s.log.Error("the self-signed certificate is not as it should be; trying again soon", "error", err)
			}
		}
	}
}

// renew does what rotation says until there is nothing to do, publishes the result, and saves it. A result that cannot be saved
// serves all the same: a full disk must not become an expired certificate.
func (s *SelfSigned) renew() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now().Round(0) // without the monotonic reading, which stops while the machine sleeps
	m, early := s.material, s.early
	for changed := false; ; changed = true {
		state := unasked(m, early, now)
		todo := state.next(now)
		if todo == Rest || todo == Dwell {
			if changed || s.current.Load() == nil {
				s.unsaved = s.unsaved || changed
				s.publish(m, early)
			}
			break
		}
		done := "the self-signed certificate was renewed"
		if m.leaf == nil {
			done = "a self-signed certificate was made"
		}
		var err error
		if m, err = state.after(todo, now, s.names); err != nil {
			return fmt.Errorf("%s: %w", todo, err)
		}
		early = s.jitter()
		s.log.Info(done, "step", string(todo), "until", stamp(until(todo, m)))
	}
	if !s.unsaved {
		return nil
	}
	if err := s.store.save(s.material); err != nil {
		return err
	}
	s.unsaved = false
	return nil
}

// unasked is the state of somebody who has no way to ask callers what they know: they are told of an authority when it is made, and
// have heard of it an hour later.
func unasked(m material, early float64, now time.Time) state {
	m.shownUntil = time.Time{} // not saved, so that it must not matter: the previous authorities stay until they expire
	s := state{material: m, bundled: true, dwell: dwellUnasked, early: early}
	if m.newest != nil {
		s.told, s.ago = true, now.Sub(made(m.newest.cert))
	}
	return s
}

func (s *SelfSigned) publish(m material, early float64) {
	s.material, s.early = m, early
	s.current.Store(&served{
		certificate: chain([]*x509.Certificate{m.leaf}, m.leafKey),
		bundle:      encodeCertificates(m.bundle()...),
	})
}

// until is when what a step made expires.
func until(done Step, m material) time.Time {
	if done == MintCA {
		return m.newest.cert.NotAfter
	}
	return m.leaf.NotAfter
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
