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
	"github.com/portcullis-dev/portcullis/certs"
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

// uiClient asks other replicas for their part of a page. It trusts the authority that callers of this server are told to trust, as long as it is that,
// and only who has a certificate for a name that is in this server's own: whoever may write a Lease, and has some certificate of that authority, is no
// replica.
type uiClient struct {
	source certs.Source

	mu     sync.Mutex
	bundle []byte
	name   string
	known  *http.Client
}

var (
	errNoAuthority = errors.New("it is not known by which authority other replicas are trusted; beside the certificate there is no ca.crt")
	errNameless    = errors.New("this server's own certificate has no name by which other replicas could be known")
)

// ownName is the first name in the certificate of this server.
func (u *uiClient) ownName() (string, error) {
	pair, err := u.source.GetCertificate(nil)
	if err != nil {
		return "", err
	}
	leaf := pair.Leaf
	if leaf == nil {
		if leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			return "", err
		}
	}
	switch {
	case len(leaf.DNSNames) > 0:
		return leaf.DNSNames[0], nil
	case len(leaf.IPAddresses) > 0:
		return leaf.IPAddresses[0].String(), nil
	}
	return "", errNameless
}

// client is a web.Options.Client.
func (u *uiClient) client() (*http.Client, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	name, err := u.ownName()
	if err != nil {
		return nil, err
	}
	bundle := u.source.CABundle()
	if u.known != nil && name == u.name && bytes.Equal(bundle, u.bundle) {
		return u.known, nil
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(bundle) {
		return nil, errNoAuthority
	}
	if u.known != nil {
		u.known.CloseIdleConnections()
	}
	u.bundle, u.name = bundle, name
	u.known = &http.Client{Transport: &http.Transport{ // directly, whatever proxy the environment names
		TLSClientConfig:     &tls.Config{RootCAs: roots, ServerName: name, MinVersion: tls.VersionTLS13},
		MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second,
	}}
	return u.known, nil
}
