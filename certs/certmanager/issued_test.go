package certmanager

import (
	"context"
	"crypto/x509"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	cmapi "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1 "k8s.io/api/core/v1"

	"github.com/portcullis-dev/portcullis/certs"
	"github.com/portcullis-dev/portcullis/test/cluster"
)

// issued runs cert-manager's controllers until a replica serves what they made, and again after the pair was lost.
func issued(t *testing.T, plane *cluster.Cluster, admin client.WithWatch, c *Certificate) {
	binary := filepath.Join("..", "..", "bin", "certmanager")
	if _, err := exec.LookPath(binary); err != nil {
		t.Skip("cert-manager is not built: run `make bin/certmanager`")
	}
	ctx, stop := context.WithCancel(t.Context())
	manager := exec.CommandContext(ctx, binary, plane.Kubeconfig)
	var said writer
	manager.Stdout, manager.Stderr = &said, &said
	must(t, manager.Start())
	replica := certs.NewSecret(certs.SecretOptions{Client: admin, Namespace: "portcullis", Name: c.SecretName()})
	done := make(chan error, 1)
	go func() { done <- replica.Start(ctx) }()
	defer func() {
		stop()
		<-done
		_ = manager.Wait()
		if t.Failed() {
			t.Log(said.String())
		}
	}()
	eventually := func(what string, ok func() bool) {
		t.Helper()
		for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("it never happened that %s: %v", what, replica.Err())
			}
		}
	}
	leaf := func() *x509.Certificate {
		t.Helper()
		cert, err := replica.GetCertificate(nil)
		must(t, err)
		return cert.Leaf
	}
	eventually("cert-manager issued the certificate", replica.Ready)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(replica.CABundle()) {
		t.Fatal("the Secret has no ca.crt")
	}
	trusted := func(cert *x509.Certificate) {
		t.Helper()
		for _, name := range []string{"portcullis.portcullis.svc", "127.0.0.1"} {
			if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
				t.Error(err)
			}
		}
	}
	first := leaf()
	trusted(first)
	if got := first.NotAfter.Sub(first.NotBefore); got != leafLife {
		t.Errorf("the certificate lives %s", got)
	}

	// While cert-manager has not noted that it issued the certificate, it answers the loss of the Secret with the same certificate.
	eventually("cert-manager was done with the certificate", func() bool {
		var certificate cmapi.Certificate
		must(t, admin.Get(t.Context(), client.ObjectKey{Namespace: "portcullis", Name: "portcullis"}, &certificate))
		issuing := func(c cmapi.CertificateCondition) bool { return c.Type == cmapi.CertificateConditionIssuing }
		return certificate.Status.Revision != nil && !slices.ContainsFunc(certificate.Status.Conditions, issuing)
	})
	secret := &corev1.Secret{}
	secret.Namespace, secret.Name = "portcullis", c.SecretName()
	must(t, admin.Delete(t.Context(), secret))
	eventually("cert-manager issued another", func() bool { return !leaf().Equal(first) && replica.Err() == nil })
	trusted(leaf()) // by the bundle callers had before
}
