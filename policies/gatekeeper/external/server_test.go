package external

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/documents"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper"
)

// authority is one that vouches for servers and clients.
type authority struct {
	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
}

func newAuthority(t testing.TB) authority {
	t.Helper()
	a := authority{}
	a.key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	a.certificate = sign(t, a, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, a.key, time.Hour)
	return a
}

func sign(t testing.TB, by authority, template *x509.Certificate, key *ecdsa.PrivateKey, end time.Duration) *x509.Certificate {
	t.Helper()
	template.SerialNumber, template.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: "test"}
	template.NotBefore, template.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(end)
	parent := by.certificate
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by.key)
	if err != nil {
		t.Fatal(err)
	}
	out, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// issue makes a key pair that is good until end from now.
func (a authority) issue(t testing.TB, end time.Duration) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := sign(t, a, &x509.Certificate{
		IPAddresses: []net.IP{net.ParseIP("127.0.0.1")}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, key, end)
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}
}

func (a authority) bundle() string {
	return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw}))
}

// stub is a Provider's server, which remembers the keys of each call.
type stub struct {
	*httptest.Server
	mu    sync.Mutex
	calls [][]string
}

// asked lists the keys of each call.
func (s *stub) asked() [][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// newStub starts a server of that certificate. Without a handler of its own it has, for every key, the length of it for a value, and an error
// for "bad".
func newStub(t testing.TB, certificate tls.Certificate, handler http.HandlerFunc, change ...func(*tls.Config)) *stub {
	t.Helper()
	s := &stub{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var request providerRequest
		body, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(body, &request); err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" ||
			request.APIVersion != "externaldata.gatekeeper.sh/v1beta1" || request.Kind != "ProviderRequest" {
			t.Errorf("%s %s: %v", r.Method, body, err)
		}
		s.mu.Lock()
		s.calls = append(s.calls, request.Request.Keys)
		s.mu.Unlock()
		if handler != nil {
			handler(w, r)
			return
		}
		var items []map[string]any
		for _, key := range request.Request.Keys {
			if key == "bad" {
				items = append(items, map[string]any{"key": key, "error": "bad it is"})
			} else {
				items = append(items, map[string]any{"key": key, "value": len(key)})
			}
		}
		respond(w, map[string]any{"idempotent": r.URL.Path != "/fickle", "items": items})
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	for _, c := range change {
		c(s.TLS)
	}
	s.Config.ErrorLog = nil
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func respond(w io.Writer, response map[string]any) {
	_ = json.NewEncoder(w).Encode(map[string]any{
		"apiVersion": "externaldata.gatekeeper.sh/v1beta1", "kind": "ProviderResponse", "response": response,
	})
}

// spelled is a Provider named p.
func spelled(url, bundle string, timeout int) string {
	return fmt.Sprintf(`apiVersion: externaldata.gatekeeper.sh/v1beta1
kind: Provider
metadata: {name: p}
spec:
  url: %s
  timeout: %d
  caBundle: %s
`, url, timeout, bundle)
}

// documentsOf are the documents of a file p.yaml.
func documentsOf(t testing.TB, text string) []policies.Document {
	t.Helper()
	docs, err := documents.Split("p.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	reading := new(gatekeeper.Reader).Read(t.Context(), docs)
	if len(reading.Faults) > 0 {
		t.Fatal(reading.Faults)
	}
	return reading.Documents
}

// heard is an Observer that remembers.
type heard struct {
	mu                sync.Mutex
	calls, remembered int
	errs              []error
}

func (h *heard) Called(_ string, _ time.Duration, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls++
	if err != nil {
		h.errs = append(h.errs, err)
	}
}

func (h *heard) Remembered(_ string, keys int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.remembered += keys
}

// providersOf are those of a text in which nothing is wrong.
func providersOf(t testing.TB, o Options, text string) *Providers {
	t.Helper()
	p, faults := NewReader(o).Read(documentsOf(t, text))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return p
}
