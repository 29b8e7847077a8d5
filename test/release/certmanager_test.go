package release_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portcullis-dev/portcullis/test/release"
)

// corporate is an issuer of somebody else's, in the namespace of the release.
const corporate = `
apiVersion: cert-manager.io/v1
kind: Issuer
metadata: {name: root}
spec: {selfSigned: {}}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: corporate}
spec:
  isCA: true
  commonName: corporate
  secretName: corporate
  issuerRef: {name: root}
  privateKey: {algorithm: ECDSA, size: 256, rotationPolicy: Never}
---
apiVersion: cert-manager.io/v1
kind: Issuer
metadata: {name: corporate}
spec: {ca: {secretName: corporate}}
`

// TestPortcullisWithCertManager has cert-manager's own controllers certify a release, from its installation to its end: by an authority of
// the release's own, and by somebody else's issuer.
func TestPortcullisWithCertManager(t *testing.T) {
	t.Parallel()
	manager, err := filepath.Abs("../../bin/certmanager")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath(manager); err != nil {
		t.Skip("cert-manager is not built: run `make certmanager`")
	}
	p := certifiable(t)
	p.certManager(manager)
	for _, row := range []struct {
		name, issuer string
		own          bool
	}{{"own", "portcullis-ca", true}, {"corporate", "corporate", false}} {
		t.Run(row.name, func(t *testing.T) {
			p := p
			p.t, p.release = t, release.Release{Root: "../..", Name: "portcullis", Namespace: row.name}
			p.kubectl("", "create", "namespace", row.name)
			set := []string{"--set=tls.mode=cert-manager"}
			if !row.own {
				p.kubectl(corporate, "apply", "--namespace="+row.name, "-f", "-")
				// The definitions stay with the release before.
				set = append(set, "--set=tls.certManager.issuerRef.name=corporate", "--set=crds.enabled=false")
			}
			p.life(set, row.issuer, row.own)
		})
	}
}

// TestPortcullisAsksCertManager has a release ask for its certificate where nobody but the test answers, which takes no cert-manager but its kinds.
func TestPortcullisAsksCertManager(t *testing.T) {
	t.Parallel()
	p := certifiable(t)
	p.release = release.Release{Root: "../..", Name: "portcullis", Namespace: "asked"}
	p.kubectl("", "create", "namespace", p.release.Namespace)
	p.helm("install", p.release.Name, p.release.Chart(), "--set=image.tag=test", "--set=tls.mode=cert-manager")
	inNamespace := "--namespace=" + p.release.Namespace
	asked := func() string {
		return p.kubectl("", "get", "issuers.cert-manager.io,certificates.cert-manager.io", inNamespace, "-o", "name")
	}
	const want = "issuer.cert-manager.io/portcullis-ca\nissuer.cert-manager.io/portcullis-self-signed\n" +
		"certificate.cert-manager.io/portcullis\ncertificate.cert-manager.io/portcullis-ca\n"
	until(t, "the leader asks for a certificate", func() bool { return asked() == want })

	certificate, key := selfSigned(t, "portcullis."+p.release.Namespace+".svc")
	for name, data := range map[string]map[string][]byte{
		"portcullis-ca":  {"tls.crt": certificate, "tls.key": key},
		"portcullis-tls": {"tls.crt": certificate, "tls.key": key, "ca.crt": certificate},
	} {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, Type: corev1.SecretTypeTLS, Data: data}
		if _, err := p.client.CoreV1().Secrets(p.release.Namespace).Create(t.Context(), secret, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	p.kubectl("", "rollout", "status", "deployment/portcullis", inNamespace, "--timeout=60s")
	p.kubectl(noTeam, "apply", "-f", "-")
	until(t, "the Policy denies", func() bool { return denies(p.create("first")) })
	until(t, "the Secrets are tied to their Certificates", func() bool {
		return p.kubectl("", "get", "secrets", inNamespace, "--field-selector=type=kubernetes.io/tls",
			"-o", "jsonpath={.items[*].metadata.ownerReferences[*].name}") == "portcullis-ca portcullis"
	})

	p.helm("uninstall", p.release.Name, "--wait", "--timeout=60s")
	until(t, "nothing is refused", func() bool { return p.create("after") == nil })
	until(t, "what was made has gone", func() bool {
		return asked()+p.kubectl("", "get", "secrets", inNamespace, "--field-selector=type=kubernetes.io/tls", "-o", "name") == ""
	})
}

// selfSigned is a certificate that signs itself, and its key.
func selfSigned(t *testing.T, host string) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{host}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text})
}

// certifiable is a control plane that runs Pods and knows cert-manager's kinds.
func certifiable(t *testing.T) certified {
	t.Helper()
	p := certified{plane: newPlane(t, server(t), "--drain=2s")}
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/cert-manager/cert-manager").Output()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "deploy", "crds", "cert-manager.io_*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("cert-manager's module has no CRDs: %v", err)
	}
	for _, file := range files {
		p.kubectl("", "apply", "--server-side", "-f", file)
	}
	p.kubectl("", "wait", "--for=condition=Established", "crd", "--all")
	return p
}

// certified is a release whose certificate cert-manager makes.
type certified struct {
	plane
	release release.Release
}

func (p certified) helm(args ...string) {
	p.t.Helper()
	if _, err := p.release.Helm(p.t.Context(), p.cluster.Kubeconfig, append(args, "--namespace="+p.release.Namespace)...); err != nil {
		p.t.Fatal(err)
	}
}

// certManager runs cert-manager's controllers.
func (p certified) certManager(binary string) {
	p.t.Helper()
	ctx, stop := context.WithCancel(p.t.Context())
	command := exec.CommandContext(ctx, binary, p.cluster.Kubeconfig)
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	if err := command.Start(); err != nil {
		stop()
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		stop()
		_ = command.Wait()
		if p.t.Failed() {
			p.t.Log(said.String())
		}
	})
}

// life installs the release, has its certificate renewed, and uninstalls it.
func (p certified) life(set []string, issuedBy string, own bool) {
	t := p.t
	p.helm(append([]string{"install", p.release.Name, p.release.Chart(), "--set=image.tag=test", "--wait", "--timeout=120s"}, set...)...)
	p.kubectl(noTeam, "apply", "-f", "-")
	p.kubectl("", "wait", "--for=condition=Ready", "policy/team", "--timeout=60s")
	until(t, "the Policy denies", func() bool { return denies(p.create("first")) })
	first := p.leaf()
	if got := first.Issuer.CommonName; got != issuedBy {
		t.Errorf("the certificate was issued by %s", got)
	}
	until(t, "every replica serves it", func() bool { return p.served(first) })

	p.steady("while cert-manager renews the certificate", func() { p.renew("portcullis", first) })
	if own {
		p.steady("while cert-manager renews the authority, and then the certificate", func() {
			before := p.secret("portcullis-ca")
			p.trigger("portcullis-ca")
			until(t, "the authority is renewed", func() bool { return !bytes.Equal(p.secret("portcullis-ca"), before) })
			p.renew("portcullis", p.leaf())
		})
	}
	p.helm("test", p.release.Name, "--timeout=60s")

	p.helm("uninstall", p.release.Name, "--wait", "--timeout=60s")
	until(t, "nothing is refused", func() bool { return p.create("after") == nil })
	kinds := "certificates.cert-manager.io,certificaterequests.cert-manager.io,issuers.cert-manager.io,secrets,leases,pods,endpointslices"
	want := ""
	if !own {
		want = "certificate.cert-manager.io/corporate\ncertificaterequest.cert-manager.io/corporate-1\nissuer.cert-manager.io/corporate\nissuer.cert-manager.io/root\nsecret/corporate\n"
	}
	left := ""
	defer func() {
		if left != want {
			t.Logf("this is left: %q", left)
		}
	}()
	until(t, "what was made has gone", func() bool {
		left = p.kubectl("", "get", kinds, "--namespace="+p.release.Namespace, "-o", "name") +
			p.kubectl("", "get", "validatingwebhookconfigurations,mutatingwebhookconfigurations", "-o", "name")
		return left == want
	})
}

// trigger has cert-manager renew a certificate, as `cmctl renew` does.
func (p certified) trigger(certificate string) {
	p.t.Helper()
	p.kubectl("", "patch", "certificates.cert-manager.io", certificate, "--namespace="+p.release.Namespace, "--subresource=status", "--type=json",
		`-p=[{"op": "add", "path": "/status/conditions/-", "value": {"type": "Issuing", "status": "True", "reason": "ManuallyTriggered", "message": "asked for"}}]`)
}

// renew has the certificate renewed, and waits until every replica serves the new one.
func (p certified) renew(certificate string, before *x509.Certificate) {
	p.t.Helper()
	p.trigger(certificate)
	until(p.t, "the certificate is renewed", func() bool { return !p.leaf().Equal(before) })
	until(p.t, "every replica serves it", func() bool { return p.served(p.leaf()) })
}

func (p certified) secret(name string) []byte {
	p.t.Helper()
	secret, err := p.client.CoreV1().Secrets(p.release.Namespace).Get(p.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		p.t.Fatal(err)
	}
	return secret.Data["tls.crt"]
}

func (p certified) leaf() *x509.Certificate {
	p.t.Helper()
	block, _ := pem.Decode(p.secret("portcullis-tls"))
	if block == nil {
		p.t.Fatal("the Secret has no certificate")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		p.t.Fatal(err)
	}
	return certificate
}

// served reports whether each of the three replicas shows the certificate to callers.
func (p certified) served(certificate *x509.Certificate) bool {
	slices, err := p.client.DiscoveryV1().EndpointSlices(p.release.Namespace).List(p.t.Context(), metav1.ListOptions{LabelSelector: "kubernetes.io/service-name=portcullis"})
	if err != nil {
		return false
	}
	shown := 0
	for _, slice := range slices.Items {
		for _, endpoint := range slice.Endpoints {
			for _, port := range slice.Ports {
				if *port.Name != "https" {
					continue
				}
				if !p.shows(net.JoinHostPort(endpoint.Addresses[0], fmt.Sprint(*port.Port)), certificate) {
					return false
				}
				shown++
			}
		}
	}
	return shown == 3
}

func (p certified) shows(address string, certificate *x509.Certificate) bool {
	dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}
	connection, err := dialer.DialContext(p.t.Context(), "tcp", address)
	if err != nil {
		return false
	}
	defer connection.Close()
	secure, ok := connection.(*tls.Conn)
	return ok && secure.ConnectionState().PeerCertificates[0].Equal(certificate)
}

func (p certified) create(name string) error {
	_, err := p.client.CoreV1().ConfigMaps("default").Create(p.t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}},
		metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err
}

func denies(err error) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), "team: a ConfigMap needs the label team")
}

// steady asks all the while something is done: each request must be answered, and so refused.
func (p certified) steady(while string, do func()) {
	p.t.Helper()
	ctx, stop := context.WithCancel(p.t.Context())
	ended := make(chan string, 1) // what was answered instead
	asked := 0
	go func() {
		for ; ctx.Err() == nil; asked++ {
			if err := p.create("during"); !denies(err) { //nolint:contextcheck // a request under way when the time is up is answered, too
				ended <- fmt.Sprintf("request %d: %v", asked, err)
				return
			}
		}
		ended <- ""
	}()
	do()
	stop()
	if instead := <-ended; instead != "" {
		p.t.Errorf("%s: %s", while, instead)
	}
	p.t.Logf("%s: %d requests, each answered", while, asked)
}
