package cmd

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pairFor writes somebody else's certificate for a DNS name.
func pairFor(t *testing.T, name string) (dir string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{name}}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	for file, block := range map[string]*pem.Block{
		"tls.crt": {Type: "CERTIFICATE", Bytes: certificate},
		"tls.key": {Type: "PRIVATE KEY", Bytes: encoded},
	} {
		if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A certificate that is for another name than the one listened at is served, and the log says who will refuse it.
func TestCertificateForAnotherAddress(t *testing.T) {
	dir := pairFor(t, "portcullis.test")
	for _, c := range []struct {
		listen string
		warned bool
	}{
		{"127.0.0.1:8443", true},
		{"localhost:8443", true},
		{"portcullis.test:8443", false},
		{":8443", false},
		{"0.0.0.0:8443", false},
		{"[::]:8443", false},
	} {
		var out buffer
		f := &serveFlags{certDir: dir, listen: c.listen}
		if _, err := f.certificates(slog.New(slog.NewTextHandler(&out, nil))); err != nil {
			t.Fatal(err)
		}
		const warning = `level=WARN msg="the certificate is not for the address of --listen; callers that use this address will refuse it"`
		if strings.Contains(out.String(), warning) != c.warned {
			t.Errorf("%s: %q", c.listen, out.String())
		}
	}
}
