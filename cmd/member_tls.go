package cmd

import (
	"fmt"
	"net"
	"slices"

	"github.com/spf13/pflag"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portcullis-dev/portcullis/certs"
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
}

func (f *tlsFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.mode, "tls", tlsFiles, "where the certificate comes from: files, as --cert-dir says, or in a cluster self-signed, cert-manager or existing-secret")
	flags.StringVar(&f.secret, "tls-secret", "", "`NAME` of the Secret with tls.crt, tls.key and ca.crt; by default that of the release with -tls behind it")
}

// check returns what is wrong with the flags taken by themselves.
func (f *tlsFlags) check(c *memberFlags, certDir string) error {
	modes := []string{tlsFiles, tlsSelfSigned, tlsExistingSecret, tlsCertManager}
	switch {
	case !slices.Contains(modes, f.mode):
		return fmt.Errorf("--tls %q is none of files, self-signed, cert-manager and existing-secret", f.mode)
	case f.mode == tlsFiles:
		return nil
	case !c.given():
		return fmt.Errorf("--tls %s keeps the certificate in a cluster: add --in-cluster or --kubeconfig FILE", f.mode)
	case certDir != "":
		return fmt.Errorf("--cert-dir has no meaning with --tls %s, which keeps the certificate in a Secret", f.mode)
	case f.mode == tlsSelfSigned && f.secret != "" && f.secret != c.name+"-tls":
		return fmt.Errorf("--tls-secret %s can only be %s-tls with --tls self-signed, which makes it", f.secret, c.name)
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
	source := certs.NewSecret(certs.SecretOptions{Client: direct, Namespace: c.flags.namespace, Name: name, Log: c.log})
	if f.mode == tlsSelfSigned {
		service := c.flags.name + "." + c.flags.namespace + ".svc"
		c.rotation, err = certs.NewRotation(certs.RotationOptions{
			Client: direct, Namespace: c.flags.namespace, Name: c.flags.name,
			DNSNames: append(names, service, service+".cluster.local"), IPs: ips,
			Published: c.published, Log: c.log,
		})
		if err != nil {
			return identity{}, err
		}
	}
	return identity{source: source, notAfter: source.NotAfter}, nil
}
