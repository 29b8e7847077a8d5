package certs

import (
	"context"
	"crypto/tls"
	"log/slog"
)

// Source is where the listener's certificate comes from.
type Source interface {
	// GetCertificate is meant for tls.Config. It returns an error while there is no certificate, and never one that expired.
	GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// CABundle is what callers should trust, as PEM: for a webhook configuration's caBundle. While an old authority is being
	// replaced it holds both. It is nil while nothing is known; the bytes must not be changed.
	CABundle() []byte
	// Start keeps the certificate fresh until ctx ends, then returns nil.
	Start(ctx context.Context) error
	// Ready reports whether GetCertificate would return a certificate now.
	Ready() bool
}

var (
	_ Source = (*SelfSigned)(nil)
	_ Source = (*Files)(nil)
)

// orDiscard returns log, or a logger that drops everything.
func orDiscard(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}
