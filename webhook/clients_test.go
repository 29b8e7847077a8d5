package webhook

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestClientCertificates has every kind of caller at every kind of door.
func TestClientCertificates(t *testing.T) {
	trusted, stranger := newAuthority(t), newAuthority(t)
	client := func(ca *authority, cn string, dns ...string) *tls.Certificate {
		return ca.issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: cn}, DNSNames: dns, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	}
	expired := trusted.issue(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "kube-apiserver"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour),
	})
	caller := client(trusted, "kube-apiserver")
	callers := map[string]*tls.Certificate{
		"no certificate":    nil,
		"the API server":    caller,
		"by DNS name":       client(trusted, "", "apiserver.kube-system.svc"),
		"another name":      client(trusted, "kubelet", "node-1"),
		"no name":           client(trusted, ""),
		"named star":        client(trusted, "*", "*"),
		"in capitals":       client(trusted, "KUBE-APISERVER"),
		"another authority": client(stranger, "kube-apiserver"),
		"expired":           expired,
		"a server's":        trusted.issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: "kube-apiserver"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}),
		"signed by a caller": (&authority{cert: caller.Leaf, key: caller.PrivateKey.(*ecdsa.PrivateKey)}).issue(t, &x509.Certificate{
			Subject: pkix.Name{CommonName: "kube-apiserver"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		}),
	}
	all := func() *x509.CertPool { return trusted.pool() }
	for door, c := range map[string]struct {
		clients Clients
		in      []string // who is let in
	}{
		"open":           {Clients{}, []string{"*"}},
		"by name":        {Clients{CAs: all, Names: []string{"kube-apiserver"}}, []string{"the API server"}},
		"by both names":  {Clients{CAs: all, Names: []string{"kube-apiserver", "apiserver.kube-system.svc"}}, []string{"the API server", "by DNS name"}},
		"by any name":    {Clients{CAs: all, Names: []string{"*"}}, []string{"the API server", "by DNS name", "another name", "no name", "named star", "in capitals"}},
		"nothing loaded": {Clients{CAs: func() *x509.CertPool { return nil }, Names: []string{"*"}}, nil},
		"empty pool":     {Clients{CAs: x509.NewCertPool, Names: []string{"*"}}, nil},
	} {
		t.Run(door, func(t *testing.T) {
			h := handler(t, allowing())
			s := start(t, newAuthority(t), Options{Handler: h, Clients: c.clients, Log: h.log.logger()})
			for name, cert := range callers {
				want := false
				for _, in := range c.in {
					want = want || in == name || in == "*" && door == "open"
				}
				for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
					if err := call(s, cert, version); (err == nil) != want {
						t.Errorf("%s by %s: %v", name, tls.VersionName(version), err)
					}
				}
			}
			if n := strings.Count(h.log.String(), `"msg":"answered"`); n != 2*len(c.in) && door != "open" {
				t.Errorf("%d requests reached the handler", n)
			}
		})
	}
}

// call sends one review, showing cert whatever authorities the server asks for.
func call(s *running, cert *tls.Certificate, version uint16) error {
	config := s.clientTLS()
	config.MaxVersion = version
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if cert == nil {
			return &tls.Certificate{}, nil
		}
		return cert, nil
	}
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	response, err := (&http.Client{Transport: transport, Timeout: time.Minute}).Post("https://"+s.addr+"/validate", "application/json", strings.NewReader(admission))
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	return err
}

// TestClientAuthoritiesReload changes the authorities while the server runs.
func TestClientAuthoritiesReload(t *testing.T) {
	before, after := newAuthority(t), newAuthority(t)
	var pool atomic.Pointer[x509.CertPool]
	pool.Store(before.pool())
	s := start(t, newAuthority(t), Options{Handler: handler(t, allowing()), Clients: Clients{CAs: pool.Load, Names: []string{"kube-apiserver"}}})
	template := x509.Certificate{Subject: pkix.Name{CommonName: "kube-apiserver"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	one, two := template, template
	old, fresh := before.issue(t, &one), after.issue(t, &two)
	if err := call(s, old, tls.VersionTLS13); err != nil {
		t.Error(err)
	}
	if err := call(s, fresh, tls.VersionTLS13); err == nil {
		t.Error("a stranger is let in")
	}
	pool.Store(after.pool())
	if err := call(s, old, tls.VersionTLS13); err == nil {
		t.Error("who was let in before still is")
	}
	if err := call(s, fresh, tls.VersionTLS13); err != nil {
		t.Error(err)
	}
}
