package webhook

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"github.com/portcullis-dev/portcullis/review"
)

// AnyName in Clients.Names allows every certificate of the authorities.
const AnyName = "*"

// Clients says which callers are let through the TLS handshake. The zero value lets everybody through; where API servers can be
// given a client certificate, nobody else should be.
type Clients struct {
	// CAs returns the authorities of client certificates as they are now; it is asked at every handshake. While it returns nil,
	// nobody is let through. A nil CAs means that no certificate is asked for.
	CAs func() *x509.CertPool
	// Names are the callers let in, by the common name or a DNS name of their certificate, compared exactly. Any certificate of
	// the authorities is let in only if AnyName is among them.
	Names []string
}

// check returns why c does not say what somebody must have meant.
func (c Clients) check() error {
	switch {
	case c.CAs != nil && len(c.Names) == 0:
		return errors.New(`client certificates are checked but no name is allowed; name the API server's, or "*" for any certificate of that authority`)
	case c.CAs == nil && len(c.Names) > 0:
		return errors.New("names of clients are allowed but there is no authority to check their certificates with")
	}
	return nil
}

// apply makes config check clients.
func (c Clients) apply(config *tls.Config) error {
	if c.CAs == nil {
		return nil
	}
	pool := c.CAs()
	if pool == nil {
		return errors.New("the authorities of client certificates are not loaded yet")
	}
	config.ClientCAs = pool
	config.ClientAuth = tls.RequireAndVerifyClientCert
	config.VerifyConnection = func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 {
			return errors.New("there is no client certificate")
		}
		return c.admit(state.PeerCertificates[0])
	}
	return nil
}

// admit returns an error unless the certificate, whose chain has been verified, has an allowed name.
func (c Clients) admit(cert *x509.Certificate) error {
	for _, name := range append([]string{cert.Subject.CommonName}, cert.DNSNames...) {
		if name != "" && name != AnyName && slices.Contains(c.Names, name) {
			return nil
		}
	}
	if slices.Contains(c.Names, AnyName) {
		return nil
	}
	return fmt.Errorf("the client certificate of %q is not among those allowed", review.Sentence(cert.Subject.CommonName, 64))
}
