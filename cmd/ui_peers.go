package cmd

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis/audit/web"
)

// peers are the other replicas that are alive.
func (c *member) peers() ([]web.Peer, error) {
	members, err := c.replicas.Members()
	if err != nil {
		return nil, err
	}
	var out []web.Peer
	for _, m := range members {
		if m.Name != c.flags.replica {
			out = append(out, web.Peer{Name: m.Name, Address: m.Pages})
		}
	}
	return out, nil
}

// service is the name in the certificate that all replicas share; empty where each has one of its own, of its host.
func (a *assembly) service() string {
	if a.tls.mode == tlsFiles {
		return ""
	}
	return a.cluster.name + "." + a.cluster.namespace + ".svc"
}

// uiClient asks other replicas for their part of a page. It trusts the authority that callers of this server are told to trust, as long as it is that.
type uiClient struct {
	source  interface{ CABundle() []byte }
	service string

	mu     sync.Mutex
	bundle []byte
	known  *http.Client
}

var errNoAuthority = errors.New("it is not known by which authority other replicas are trusted")

// client is a web.Options.Client.
func (u *uiClient) client() (*http.Client, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	bundle := u.source.CABundle()
	if u.known != nil && bytes.Equal(bundle, u.bundle) {
		return u.known, nil
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(bundle) {
		return nil, errNoAuthority
	}
	if u.known != nil {
		u.known.CloseIdleConnections()
	}
	u.bundle = bundle
	u.known = &http.Client{Transport: &http.Transport{ // directly, whatever proxy the environment names
		TLSClientConfig:     &tls.Config{RootCAs: roots, ServerName: u.service, MinVersion: tls.VersionTLS13},
		MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second,
	}}
	return u.known, nil
}
