package cmd

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/portcullis-dev/portcullis/webhook/registration"
)

// issued makes certificates for doctor's table, valid from a day before it looks.
type issued struct {
	t    *testing.T
	from time.Time
}

type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte
}

// make signs a certificate, by itself if by is nil.
func (i issued) make(by *authority, name string, life time.Duration, hosts ...string) *authority {
	i.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		i.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: i.from, NotAfter: i.from.Add(life), DNSNames: hosts,
		IsCA: hosts == nil, BasicConstraintsValid: true,
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.certificate, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		i.t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		i.t.Fatal(err)
	}
	return &authority{certificate, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

func TestWhatDoctorSaysOfCertificates(t *testing.T) {
	const day = 24 * time.Hour
	now := time.Date(2026, 7, 2, 12, 0, 0, 0, time.UTC)
	i := issued{t, now.Add(-day)}
	const host = "portcullis.guard.svc"
	root, other := i.make(nil, "root", 365*day), i.make(nil, "other", 365*day)
	old, gone := i.make(nil, "old", 10*day), i.make(nil, "gone", day)
	between := i.make(root, "between", 100*day)
	leaf := i.make(root, "leaf", 7*day, host)
	const authority = "ok certificates: the authority that the registration names is valid until 2027-07-01\n"
	const vouched = "ok certificates: the registration's authorities vouch for the certificate that is served\n"
	for name, c := range map[string]struct {
		bundle, chain []byte
		want          string
	}{
		"well": {root.pem, leaf.pem, authority + "ok certificates: the certificate that is served is valid until 2026-07-08 12:00 UTC\n" + vouched},
		"by way of another": {
			root.pem, append(i.make(between, "leaf", 7*day, host).pem, between.pem...),
			authority + "ok certificates: the certificate that is served is valid until 2026-07-08 12:00 UTC\n" + vouched,
		},
		"while the authority is replaced": {append(other.pem, root.pem...), leaf.pem, authority + "ok certificates: the certificate that is served is valid until 2026-07-08 12:00 UTC\n" + vouched},
		"in its last quarter": {
			root.pem, i.make(root, "leaf", 30*time.Hour, host).pem,
			authority + "warn certificates: the certificate that is served expires on 2026-07-02 18:00 UTC and should have been renewed\n" + vouched,
		},
		"expired": {
			root.pem, i.make(root, "leaf", 12*time.Hour, host).pem,
			authority + "FAIL certificates: the certificate that is served has expired on 2026-07-02 00:00 UTC\n" + vouched,
		},
		"another authority's": {
			other.pem, leaf.pem,
			authority + "ok certificates: the certificate that is served is valid until 2026-07-08 12:00 UTC\n" +
				"FAIL certificates: the authorities that enforce.validate.portcullis.dev of portcullis names do not vouch for the certificate that is served: " +
				"x509: certificate signed by unknown authority\n",
		},
		"another name": {
			root.pem, i.make(root, "leaf", 7*day, "portcullis.other.svc").pem,
			authority + "ok certificates: the certificate that is served is valid until 2026-07-08 12:00 UTC\n" +
				"FAIL certificates: the certificate that is served is not for portcullis.guard.svc, by which the API server calls\n",
		},
		"an authority that ends": {
			old.pem, i.make(old, "leaf", 7*day, host).pem,
			"warn certificates: the authority that the registration names expires on 2026-07-11\n" +
				"ok certificates: the certificate that is served is valid until 2026-07-08 12:00 UTC\n" + vouched,
		},
		"an authority that has ended": {
			gone.pem, i.make(gone, "leaf", 12*time.Hour, host).pem,
			"FAIL certificates: the authority that the registration names has expired on 2026-07-02\n" +
				"FAIL certificates: the certificate that is served has expired on 2026-07-02 00:00 UTC\n" + vouched,
		},
		"no authority": {
			nil, leaf.pem,
			"warn certificates: the registration names no authority; the API server trusts those of its machine\n" +
				"ok certificates: the certificate that is served is valid until 2026-07-08 12:00 UTC\n",
		},
		"nothing in the Secret": {root.pem, nil, authority + "FAIL certificates: the Secret portcullis-tls has no certificate in tls.crt\n"},
	} {
		plan := registration.Plan([]registration.Interest{{Phase: registration.Validate, Fail: true}},
			registration.Options{Name: "portcullis", Namespace: "guard", Bundle: c.bundle})
		d := &doctor{
			name: "portcullis", namespace: "guard", secret: "portcullis-tls", now: now,
			client: fake.NewClientset(plan.Validating, &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{Namespace: "guard", Name: "portcullis-tls"}, Data: map[string][]byte{"tls.crt": c.chain},
			}),
		}
		checks, err := d.certificates(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, c := range checks {
			got += c.Status + " " + c.Check + ": " + c.Message + "\n"
		}
		if got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}
