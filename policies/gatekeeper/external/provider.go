package external

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/portcullis-dev/portcullis/policies"
)

const (
	group = "externaldata.gatekeeper.sh"
	kind  = "Provider"
	// maxIdle is how many connections to one Provider are kept open for the next calls.
	maxIdle = 10
	// idle is how long one is.
	idle = 90 * time.Second
	// maxHeader is how large the head of an answer may be, in bytes.
	maxHeader = 64 << 10
)

// provider is one Provider. It is immutable and safe for concurrent use.
type provider struct {
	name    string
	digest  string // of all that makes it what it is
	url     string
	timeout time.Duration
	client  *http.Client
}

type spec struct {
	URL      string `json:"url"`
	Timeout  int64  `json:"timeout"` // in seconds
	CABundle string `json:"caBundle"`
	// InsecureTLSSkipVerify is of v1alpha1.
	InsecureTLSSkipVerify bool `json:"insecureTLSSkipVerify"`
}

// Certificate returns the certificate by which a Provider may know who calls; nil if there is none.
type Certificate func() (*tls.Certificate, error)

// read reads one Provider.
func read(d policies.Document, certificate Certificate) (*provider, *policies.Fault) {
	if version := d.Object.GroupVersionKind().Version; !slices.Contains([]string{"v1alpha1", "v1beta1"}, version) {
		return nil, d.Fault(fmt.Errorf("version %s is none of v1beta1 and v1alpha1", version), "apiVersion")
	}
	var given spec
	if fault := d.Spec(&given); fault != nil {
		return nil, fault
	}
	if err := checkURL(given.URL); err != nil {
		return nil, d.Fault(fmt.Errorf("spec.url %w", err), "spec", "url")
	}
	// A timeout beyond a day is a slip, and none in seconds that a time.Duration cannot hold is within one.
	if given.Timeout < 1 || given.Timeout > int64(24*time.Hour/time.Second) {
		return nil, d.Fault(fmt.Errorf("spec.timeout is %d; give a whole number of seconds, 1 or more", given.Timeout), "spec", "timeout")
	}
	if given.InsecureTLSSkipVerify {
		return nil, d.Fault(errors.New("spec.insecureTLSSkipVerify is not supported; give the caBundle that vouches for the server"),
			"spec", "insecureTLSSkipVerify")
	}
	roots, err := readBundle(given.CABundle)
	if err != nil {
		return nil, d.Fault(fmt.Errorf("spec.caBundle %w", err), "spec", "caBundle")
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%q\n%d\n%q", d.Object.GetName(), given.URL, given.Timeout, given.CABundle))
	return &provider{
		name: d.Object.GetName(), digest: hex.EncodeToString(sum[:]), url: given.URL,
		timeout: time.Duration(given.Timeout) * time.Second, client: newClient(roots, certificate),
	}, nil
}

func checkURL(given string) error {
	if given == "" {
		return errors.New("is missing; it is the address of the server, as https://provider.example.svc:8443/validate")
	}
	u, err := url.Parse(given)
	switch {
	case err != nil:
		return errors.New("cannot be read; write it as https://provider.example.svc:8443/validate")
	case u.Scheme != "https":
		return fmt.Errorf("must begin with https://; %q is not asked, since anybody on the way could answer", given)
	case u.Hostname() == "":
		return fmt.Errorf("%q names no host", given)
	case u.User != nil:
		return errors.New("has a user in it; a Provider knows who calls by the certificate")
	}
	return nil
}

// readBundle reads certificates that are spelt as PEM, and that as base64.
func readBundle(given string) (*x509.CertPool, error) {
	if given == "" {
		return nil, errors.New("is missing; it is the certificate that vouches for the server, as PEM in base64")
	}
	text, err := base64.StdEncoding.DecodeString(given)
	if err != nil {
		return nil, errors.New("is not base64; it is PEM in base64")
	}
	pool, count := x509.NewCertPool(), 0
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("has a %s in it; it is for certificates alone", block.Type)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("has a certificate that cannot be read: %w", err)
		}
		pool.AddCert(certificate)
		count++
	}
	if count == 0 {
		return nil, errors.New("has no certificate in it; it is PEM in base64")
	}
	return pool, nil
}

func newClient(roots *x509.CertPool, certificate Certificate) *http.Client {
	config := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots}
	if certificate != nil {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			found, err := certificate()
			if err != nil || found == nil {
				return &tls.Certificate{}, err // which is none
			}
			return found, nil
		}
	}
	return &http.Client{
		Transport: &http.Transport{
			TLSClientConfig: config, MaxIdleConnsPerHost: maxIdle, IdleConnTimeout: idle, MaxResponseHeaderBytes: maxHeader,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
