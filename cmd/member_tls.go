package cmd

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	cmmeta "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
	"github.com/spf13/pflag"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portcullis-dev/portcullis/certs"
	"github.com/portcullis-dev/portcullis/certs/certmanager"
)

// The modes of --tls.
const (
	tlsFiles          = "files"
	tlsSelfSigned     = "self-signed"
	tlsExistingSecret = "existing-secret"
	tlsCertManager    = "cert-manager"
)

// tlsFlags say where the server's certificate comes from.
type tlsFlags struct {
	mode   string
	secret string
	issuer string
}

func (f *tlsFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.mode, "tls", tlsFiles, "where the certificate comes from: files, as --cert-dir says, or in a cluster self-signed, cert-manager or existing-secret")
	flags.StringVar(&f.issuer, "tls-issuer", "", "`KIND.GROUP/NAME` of who signs with --tls cert-manager, as ClusterIssuer.cert-manager.io/corporate; by default an authority of the release's own")
	flags.StringVar(&f.secret, "tls-secret", "", "`NAME` of the Secret with tls.crt, tls.key and, unless the API server's machine knows the authority, ca.crt; by default that of the release with -tls behind it")
}

// issuerReference is who signs with cert-manager; the zero value is an authority of the release's own.
func (f *tlsFlags) issuerReference() (cmmeta.IssuerReference, error) {
	if f.issuer == "" {
		return cmmeta.IssuerReference{}, nil
	}
	what, name, ok := strings.Cut(f.issuer, "/")
	kind, group, _ := strings.Cut(what, ".")
	if !ok || kind == "" || name == "" {
		return cmmeta.IssuerReference{}, fmt.Errorf("--tls-issuer %q is not KIND/NAME or KIND.GROUP/NAME, as ClusterIssuer.cert-manager.io/corporate", f.issuer)
	}
	return cmmeta.IssuerReference{Name: name, Kind: kind, Group: group}, nil
}

// check returns what is wrong with the flags taken by themselves.
func (f *tlsFlags) check(c *memberFlags, certDir string) error {
	if _, err := f.issuerReference(); err != nil {
		return err
	}
	modes := []string{tlsFiles, tlsSelfSigned, tlsExistingSecret, tlsCertManager}
	switch {
	case !slices.Contains(modes, f.mode):
		return fmt.Errorf("--tls %q is none of files, self-signed, cert-manager and existing-secret", f.mode)
	case f.issuer != "" && f.mode != tlsCertManager:
		return errors.New("--tls-issuer goes with --tls cert-manager")
	case f.mode == tlsFiles && f.secret != "":
		return errors.New("--tls-secret goes with --tls existing-secret or cert-manager")
	case f.mode == tlsFiles:
		return nil
	case !c.given():
		return fmt.Errorf("--tls %s keeps the certificate in a cluster: add --in-cluster or --kubeconfig FILE", f.mode)
	case certDir != "":
		return fmt.Errorf("--cert-dir has no meaning with --tls %s, which keeps the certificate in a Secret", f.mode)
	case f.mode == tlsExistingSecret && f.secret == "":
		return errors.New("--tls existing-secret needs --tls-secret NAME: the Secret that somebody else fills")
	case f.mode != tlsExistingSecret && f.secret != "" && f.secret != c.name+"-tls":
		return fmt.Errorf("--tls-secret %s can only be %s-tls with --tls %s, which makes it", f.secret, c.name, f.mode)
	}
	return nil
}

// certificates follow the Secret that all replicas share, and where it is made here, prepare the rotation that the leader runs.
func (c *member) certificates(f tlsFlags, names []string, ips []net.IP) (identity, error) {
	direct, err := client.NewWithWatch(c.config, client.Options{Scheme: scheme.Scheme})
	if err != nil {
		return identity{}, fmt.Errorf("the certificate's Secret: %w", err)
	}
	name := f.secret
	if name == "" {
		name = c.flags.name + "-tls"
	}
	gone := func() {
		if c.rotation != nil {
			c.rotation.Wake()
		}
	}
	source := certs.NewSecret(certs.SecretOptions{Client: direct, Namespace: c.flags.namespace, Name: name, Gone: gone, Log: c.log})
	c.pair = source
	service := c.flags.name + "." + c.flags.namespace + ".svc"
	names = append(names, service, service+".cluster.local")
	switch f.mode {
	case tlsSelfSigned:
		c.rotation, err = certs.NewRotation(certs.RotationOptions{
			Client: direct, Namespace: c.flags.namespace, Name: c.flags.name,
			DNSNames: names, IPs: ips, Owner: c.awaitOwner,
			Published: c.published, Lag: c.lag, Log: c.log,
		})
	case tlsCertManager:
		issuer, problem := f.issuerReference()
		if problem != nil {
			return identity{}, problem
		}
		c.request, err = certmanager.New(certmanager.Options{
			Client: direct, Namespace: c.flags.namespace, Name: c.flags.name, DNSNames: names, IPs: ips, Owner: c.awaitOwner, Issuer: issuer, Log: c.log,
		})
	}
	if err == nil && c.rotation != nil {
		err = c.metrics.rotating(c.rotation.Phase)
	}
	if err != nil {
		return identity{}, err
	}
	return identity{source: source, notAfter: source.NotAfter, authority: source.AuthorityNotAfter}, nil
}
