package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

// lastGood holds the last good one of the pairs somebody else provides.
type lastGood struct {
	what string                   // what provides them: "the directory /tls", "Secret default/tls"
	path func(file string) string // how a file of it is called in a sentence
	log  *slog.Logger
	now  func() time.Time

	current atomic.Pointer[pair]
	problem atomic.Pointer[error]
}

// pair is what was provided when it was last in order.
type pair struct {
	certificate *tls.Certificate
	authority   time.Time // when the authority that vouches for it expires; zero when there is no ca.crt
	files       contents
}

// absent is the error that what provides the pair is not there. Before the first pair that is how every start begins.
type absent string

func (a absent) Error() string { return string(a) + " does not exist" }

// contents are the bytes of the three files, ca nil when there is none.
type contents struct{ cert, key, ca []byte }

// GetCertificate returns the last good certificate.
func (l *lastGood) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p := l.current.Load()
	if p == nil {
		if err := l.Err(); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%s was not read yet", l.what)
	}
	if leaf := p.certificate.Leaf; !l.now().Before(leaf.NotAfter) {
		return nil, fmt.Errorf("the certificate of %s expired at %s", l.what, stamp(leaf.NotAfter))
	}
	return p.certificate, nil
}

// CABundle is the ca.crt that came with the last good pair, or nil when there was none.
func (l *lastGood) CABundle() []byte {
	if p := l.current.Load(); p != nil {
		return p.files.ca
	}
	return nil
}

// Ready reports whether there is a certificate in force.
func (l *lastGood) Ready() bool {
	_, err := l.GetCertificate(nil)
	return err == nil
}

// Err is what is wrong with what is provided now, or nil. An earlier pair may be served all the same.
func (l *lastGood) Err() error {
	if p := l.problem.Load(); p != nil {
		return *p
	}
	return nil
}

// NotAfter is when the current certificate expires; zero when there is none.
func (l *lastGood) NotAfter() time.Time {
	if p := l.current.Load(); p != nil {
		return p.certificate.Leaf.NotAfter
	}
	return time.Time{}
}

// AuthorityNotAfter is when the authority expires that vouches for the current certificate; zero when none is known.
func (l *lastGood) AuthorityNotAfter() time.Time {
	if p := l.current.Load(); p != nil {
		return p.authority
	}
	return time.Time{}
}

// take publishes what was found if it is new and in order; err is why it could not be read. It is called by one goroutine at a time.
func (l *lastGood) take(found contents, err error) {
	before := l.current.Load()
	if err == nil && before != nil && before.files.equal(found) {
		l.problem.Store(nil)
		return
	}
	var next *pair
	if err == nil {
		next, err = l.parse(found)
	}
	if err != nil {
		// Said once, not at every look. While two files are being written they contradict each other for a moment.
		if last := l.Err(); last == nil || last.Error() != err.Error() {
			if _, missing := errors.AsType[absent](err); missing && before == nil {
				l.log.Info("there is no certificate yet; waiting for it", "for", l.what)
			} else {
				l.log.Error("the certificate cannot be used", "from", l.what, "error", err, "serving", before != nil)
			}
		}
		l.problem.Store(&err)
		return
	}
	l.current.Store(next)
	l.problem.Store(nil)
	l.log.Info("the certificate was read", "from", l.what, "until", stamp(next.certificate.Leaf.NotAfter))
}

// parse accepts what a listener could serve and callers could trust.
func (l *lastGood) parse(c contents) (*pair, error) {
	certs, err := parseCertificates(l.path(certificateFile), c.cert)
	if err != nil {
		return nil, err
	}
	keys, err := parseKeys(l.path(keyFile), c.key)
	if err != nil {
		return nil, err
	}
	key := owner(certs[0], keys)
	leaf, now := certs[0], l.now()
	switch {
	case key == nil:
		return nil, fmt.Errorf("%s is not the private key of %s", l.path(keyFile), l.path(certificateFile))
	case !now.Before(leaf.NotAfter):
		return nil, fmt.Errorf("%s expired at %s", l.path(certificateFile), stamp(leaf.NotAfter))
	case now.Before(leaf.NotBefore):
		return nil, fmt.Errorf("%s is valid only from %s", l.path(certificateFile), stamp(leaf.NotBefore))
	}
	out := &pair{certificate: chain(certs, key), files: c}
	if c.ca == nil {
		return out, nil
	}
	cas, err := parseCertificates(l.path(authorityFile), c.ca)
	if err != nil {
		return nil, err
	}
	root, err := vouches(cas, certs, now)
	if err != nil {
		return nil, fmt.Errorf("no certificate of %s vouches for %s: %w", l.path(authorityFile), l.path(certificateFile), err)
	}
	out.authority = root.NotAfter
	return out, nil
}

func (c contents) equal(other contents) bool {
	return bytes.Equal(c.cert, other.cert) && bytes.Equal(c.key, other.key) && bytes.Equal(c.ca, other.ca)
}

// vouches returns the one of cas by which a caller that trusts them accepts the chain served, or why it would refuse, leaving its name
// aside.
func vouches(cas, served []*x509.Certificate, now time.Time) (*x509.Certificate, error) {
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	for _, ca := range cas {
		roots.AddCert(ca)
	}
	for _, cert := range served[1:] {
		intermediates.AddCert(cert)
	}
	chains, err := served[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: intermediates, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return nil, err
	}
	return chains[0][len(chains[0])-1], nil
}
