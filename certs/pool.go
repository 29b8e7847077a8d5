package certs

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
)

// Pool follows a PEM file of certificate authorities, such as the one that signed the API server's client certificate. A file
// that cannot be used is reported and the authorities before it trusted on.
type Pool struct {
	file string
	log  *slog.Logger

	current atomic.Pointer[authorities]
	problem atomic.Pointer[error]
}

type authorities struct {
	data []byte
	pool *x509.CertPool
}

// NewPool reads file, which must hold at least one certificate.
func NewPool(file string, log *slog.Logger) (*Pool, error) {
	p := &Pool{file: file, log: orDiscard(nil)} // what is wrong to begin with is returned, and not logged as well
	p.look()
	if err := p.Err(); err != nil {
		return nil, fmt.Errorf("certificate authorities: %w", err)
	}
	p.log = orDiscard(log)
	return p, nil
}

// Current is the pool as it is now. It must not be changed.
func (p *Pool) Current() *x509.CertPool {
	if a := p.current.Load(); a != nil {
		return a.pool
	}
	return nil
}

// Err is what is wrong with the file as it is now, or nil.
func (p *Pool) Err() error {
	if err := p.problem.Load(); err != nil {
		return *err
	}
	return nil
}

// Start follows the file until ctx ends.
func (p *Pool) Start(ctx context.Context) error {
	watch(ctx, filepath.Dir(p.file), p.log, p.look)
	return nil
}

func (p *Pool) look() {
	data, err := os.ReadFile(p.file)
	before := p.current.Load()
	if err == nil && before != nil && bytes.Equal(before.data, data) {
		p.problem.Store(nil)
		return
	}
	var certs []*x509.Certificate
	if err == nil {
		certs, err = parseCertificates(p.file, data)
	}
	if err != nil {
		if last := p.Err(); last == nil || last.Error() != err.Error() {
			p.log.Error("the file of certificate authorities cannot be used", "file", p.file, "error", err, "serving", before != nil)
		}
		p.problem.Store(&err)
		return
	}
	pool := x509.NewCertPool()
	for _, cert := range certs {
		pool.AddCert(cert)
	}
	p.current.Store(&authorities{data: data, pool: pool})
	p.problem.Store(nil)
	p.log.Info("the file of certificate authorities was read", "file", p.file, "certificates", len(certs))
}
