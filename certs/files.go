package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// FilesOptions say which directory to follow.
type FilesOptions struct {
	// Dir holds tls.crt and tls.key, and where callers need to be told whom to trust, ca.crt: what a Secret of type
	// kubernetes.io/tls looks like when it is mounted.
	Dir string
	// Log hears of every new pair and of every one that cannot be used. Nil discards.
	Log *slog.Logger
	// Now is the wall clock. Nil means time.Now.
	Now func() time.Time
}

// Files is a Source whose pair somebody else puts into a directory: cert-manager through a mounted Secret, or a person. It
// follows swaps of ..data, renames and plain writes, at once where the system announces them and within 10 seconds where not.
// A pair that cannot be used is reported and the one before it served on.
type Files struct {
	dir string
	log *slog.Logger
	now func() time.Time

	current atomic.Pointer[pair]
	problem atomic.Pointer[error]

	mu sync.Mutex // held by whoever reads the directory
}

// pair is what the directory held when it was last in order.
type pair struct {
	certificate *tls.Certificate
	files       contents
}

// contents are the bytes of the three files, ca nil when there is none.
type contents struct{ cert, key, ca []byte }

// NewFiles returns a Files that has read its directory once. The directory must exist; that there is no pair in it yet, or no
// good one, is not an error but what Err says and Ready denies, because the pair may be on its way.
func NewFiles(opts FilesOptions) (*Files, error) {
	info, err := os.Stat(opts.Dir)
	if err != nil {
		return nil, fmt.Errorf("certificate files: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("certificate files: %s is not a directory; name the one that holds tls.crt and tls.key", opts.Dir)
	}
	f := &Files{dir: opts.Dir, log: orDiscard(opts.Log), now: opts.Now}
	if f.now == nil {
		f.now = time.Now
	}
	f.look()
	return f, nil
}

// GetCertificate returns the last good certificate.
func (f *Files) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p := f.current.Load()
	if p == nil {
		return nil, f.Err()
	}
	if leaf := p.certificate.Leaf; !f.now().Before(leaf.NotAfter) {
		return nil, fmt.Errorf("the certificate of %s expired at %s", f.dir, stamp(leaf.NotAfter))
	}
	return p.certificate, nil
}

// CABundle is the ca.crt that came with the last good pair, or nil when there was none.
func (f *Files) CABundle() []byte {
	if p := f.current.Load(); p != nil {
		return p.files.ca
	}
	return nil
}

// Ready reports whether there is a certificate in force.
func (f *Files) Ready() bool {
	_, err := f.GetCertificate(nil)
	return err == nil
}

// Err is what is wrong with the files as they are now, or nil. An earlier pair may be served all the same.
func (f *Files) Err() error {
	if p := f.problem.Load(); p != nil {
		return *p
	}
	return nil
}

// NotAfter is when the current certificate expires; zero when there is none.
func (f *Files) NotAfter() time.Time {
	if p := f.current.Load(); p != nil {
		return p.certificate.Leaf.NotAfter
	}
	return time.Time{}
}

// Start follows the directory until ctx ends.
func (f *Files) Start(ctx context.Context) error {
	watch(ctx, f.dir, f.log, f.look)
	return nil
}

// look reads the directory and publishes the pair there if it is new and in order.
func (f *Files) look() {
	f.mu.Lock()
	defer f.mu.Unlock()
	found, err := f.read()
	before := f.current.Load()
	if err == nil && before != nil && before.files.equal(found) {
		f.problem.Store(nil)
		return
	}
	var certificate *tls.Certificate
	if err == nil {
		certificate, err = f.parse(found)
	}
	if err != nil {
		// Said once, not at every look. While two files are being written they contradict each other for a moment.
		if last := f.Err(); last == nil || last.Error() != err.Error() {
			f.log.Error("the certificate files cannot be used", "dir", f.dir, "error", err, "serving", before != nil)
		}
		f.problem.Store(&err)
		return
	}
	f.current.Store(&pair{certificate: certificate, files: found})
	f.problem.Store(nil)
	f.log.Info("the certificate files were read", "dir", f.dir, "until", stamp(certificate.Leaf.NotAfter))
}

// read takes the files from behind ..data where there is one, so that all come from the same update of a Secret even if the
// link is swapped between two of them.
func (f *Files) read() (contents, error) {
	dir := f.dir
	if real, err := filepath.EvalSymlinks(filepath.Join(f.dir, "..data")); err == nil {
		dir = real
	}
	var out contents
	for _, file := range []struct {
		name     string
		into     *[]byte
		optional bool
	}{{certificateFile, &out.cert, false}, {keyFile, &out.key, false}, {authorityFile, &out.ca, true}} {
		data, err := os.ReadFile(filepath.Join(dir, file.name))
		switch {
		case errors.Is(err, fs.ErrNotExist) && file.optional:
		case errors.Is(err, fs.ErrNotExist):
			return contents{}, fmt.Errorf("%s is missing", f.path(file.name))
		case err != nil:
			return contents{}, fmt.Errorf("reading %s: %w", f.path(file.name), err)
		case len(data) > 0: // cert-manager writes an empty ca.crt when the issuer did not say
			*file.into = data
		}
	}
	return out, nil
}

// parse accepts what a listener could serve and callers could trust.
func (f *Files) parse(c contents) (*tls.Certificate, error) {
	certs, err := parseCertificates(f.path(certificateFile), c.cert)
	if err != nil {
		return nil, err
	}
	keys, err := parseKeys(f.path(keyFile), c.key)
	if err != nil {
		return nil, err
	}
	key := owner(certs[0], keys)
	leaf, now := certs[0], f.now()
	switch {
	case key == nil:
		return nil, fmt.Errorf("%s is not the private key of %s", f.path(keyFile), f.path(certificateFile))
	case !now.Before(leaf.NotAfter):
		return nil, fmt.Errorf("%s expired at %s", f.path(certificateFile), stamp(leaf.NotAfter))
	case now.Before(leaf.NotBefore):
		return nil, fmt.Errorf("%s is valid only from %s", f.path(certificateFile), stamp(leaf.NotBefore))
	}
	if c.ca == nil {
		return chain(certs, key), nil
	}
	cas, err := parseCertificates(f.path(authorityFile), c.ca)
	if err != nil {
		return nil, err
	}
	if err := vouches(cas, certs, now); err != nil {
		return nil, fmt.Errorf("no certificate of %s vouches for %s: %w", f.path(authorityFile), f.path(certificateFile), err)
	}
	return chain(certs, key), nil
}

func (f *Files) path(name string) string { return filepath.Join(f.dir, name) }

func (c contents) equal(other contents) bool {
	return bytes.Equal(c.cert, other.cert) && bytes.Equal(c.key, other.key) && bytes.Equal(c.ca, other.ca)
}

// vouches returns why a caller that trusts cas would refuse the chain served, leaving its name aside.
func vouches(cas, served []*x509.Certificate, now time.Time) error {
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	for _, ca := range cas {
		roots.AddCert(ca)
	}
	for _, cert := range served[1:] {
		intermediates.AddCert(cert)
	}
	_, err := served[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: intermediates, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	return err
}
