package cmd

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// expiresSoon is how long before its end the certificate of an authority is worth a word: rotation should have begun long before. What is
// served should be renewed when two thirds of its life have passed, and is worth one in the last quarter.
const expiresSoon = 14 * 24 * time.Hour

const lookAtLeader = "look at the leader's log for why it is not renewed; with cert-manager, at its Certificate"

// certificates looks at the authorities that callers are told to trust, at the certificate that is served, and whether they fit.
func (d *doctor) certificates(ctx context.Context) ([]check, error) {
	ours, err := d.own(ctx)
	if err != nil {
		return nil, err
	}
	var out []check
	if len(ours.hooks) > 0 {
		out = append(out, d.authorities(ours.hooks))
	}
	secret, err := d.client.CoreV1().Secrets(d.namespace).Get(ctx, d.secret, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		c := check{
			"certificates", checkWarn, fmt.Sprintf("there is no Secret %s in namespace %s, so it is not known until when the certificate that is served is valid", d.secret, d.namespace),
			"if it has another name, give it with --tls-secret; a server with --tls files says it in its metrics",
		}
		if d.secretNamed {
			c.Status = checkFail
		}
		return append(out, c), nil
	}
	if err != nil {
		return out, err
	}
	chain := parsePEM(secret.Data["tls.crt"])
	if len(chain) == 0 {
		return append(out, check{
			"certificates", checkFail, fmt.Sprintf("the Secret %s has no certificate in tls.crt", d.secret),
			"see who fills it: the leader's log, or cert-manager's Certificate, says why it does not",
		}), nil
	}
	out = append(out, d.leaf(chain[0]))
	if c, ok := d.skew(ours.hooks, chain); ok {
		out = append(out, c)
	}
	return out, nil
}

func parsePEM(text []byte) (out []*x509.Certificate) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if certificate, err := x509.ParseCertificate(block.Bytes); err == nil {
			out = append(out, certificate)
		}
	}
	return out
}

// authorities looks at those that the registration names. While one replaces another, both are there, and the later one counts.
func (d *doctor) authorities(ours []hook) check {
	var ends time.Time
	for _, h := range ours {
		for _, certificate := range parsePEM(h.ClientConfig.CABundle) {
			if certificate.NotAfter.After(ends) {
				ends = certificate.NotAfter
			}
		}
	}
	day := ends.UTC().Format(time.DateOnly)
	switch {
	case ends.IsZero():
		return check{"certificates", checkWarn, "the registration names no authority; the API server trusts those of its machine", "let Portcullis or cert-manager fill in the caBundle"}
	case !ends.After(d.now):
		return check{"certificates", checkFail, "the authority that the registration names has expired on " + day, lookAtLeader}
	case ends.Sub(d.now) < expiresSoon:
		return check{"certificates", checkWarn, "the authority that the registration names expires on " + day, lookAtLeader}
	}
	return check{"certificates", checkOK, "the authority that the registration names is valid until " + day, ""}
}

// leaf looks at the certificate that every replica serves.
func (d *doctor) leaf(certificate *x509.Certificate) check {
	ends := certificate.NotAfter.UTC().Format("2006-01-02 15:04 UTC")
	left, life := certificate.NotAfter.Sub(d.now), certificate.NotAfter.Sub(certificate.NotBefore)
	switch {
	case left <= 0:
		return check{"certificates", checkFail, "the certificate that is served has expired on " + ends, lookAtLeader}
	case left < life/4:
		return check{"certificates", checkWarn, "the certificate that is served expires on " + ends + " and should have been renewed", lookAtLeader}
	}
	return check{"certificates", checkOK, "the certificate that is served is valid until " + ends, ""}
}

// skew compares what the registration has callers trust, and the name by which they call, with what is served. It is ok if there is anything
// to tell.
func (d *doctor) skew(ours []hook, chain []*x509.Certificate) (c check, ok bool) {
	intermediates := x509.NewCertPool()
	for _, certificate := range chain[1:] {
		intermediates.AddCert(certificate)
	}
	at := d.now
	if at.After(chain[0].NotAfter) { // which is told of already
		at = chain[0].NotAfter
	}
	var seen [][]byte
	for _, h := range ours {
		bundle := h.ClientConfig.CABundle
		if len(bundle) == 0 || slices.ContainsFunc(seen, func(b []byte) bool { return bytes.Equal(b, bundle) }) {
			continue
		}
		seen = append(seen, bundle)
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(bundle)
		_, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, CurrentTime: at, DNSName: h.host()})
		if _, ok := errors.AsType[x509.HostnameError](err); ok {
			return check{
				"certificates", checkFail, fmt.Sprintf("the certificate that is served is not for %s, by which the API server calls", h.host()),
				"have it issued for that name, too",
			}, true
		}
		if err != nil {
			return check{
				"certificates", checkFail, fmt.Sprintf("the authorities that %s of %s names do not vouch for the certificate that is served: %s", h.Name, h.configuration.Name, err),
				"if this lasts longer than a minute, see that a Portcullis leads, which writes the caBundle",
			}, true
		}
	}
	if len(seen) == 0 {
		return check{}, false
	}
	return check{"certificates", checkOK, "the registration's authorities vouch for the certificate that is served", ""}, true
}

// host is the name by which the API server calls a webhook.
func (h hook) host() string {
	if service := h.ClientConfig.Service; service != nil {
		return service.Name + "." + service.Namespace + ".svc"
	}
	if h.ClientConfig.URL == nil {
		return ""
	}
	u, err := url.Parse(*h.ClientConfig.URL)
	if err != nil {
		return ""
	}
	return u.Hostname()
}
