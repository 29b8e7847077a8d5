package plane

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"time"
)

// lifetime of the certificates: a directory may be used again for a year, then it must be made anew.
const lifetime = 365 * 24 * time.Hour

// ensureKeys makes the authority, the API server's certificate and the key of service account tokens, unless an earlier run made them:
// whoever holds a kubeconfig or a token of that run can go on using it.
func ensureKeys(l layout) error {
	switch _, err := os.Stat(l.servingCert()); {
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("look for the certificate: %w", err)
	}

	caTemplate := template("controlplane-ca")
	caTemplate.IsCA, caTemplate.BasicConstraintsValid = true, true
	caTemplate.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	caKey, err := newKey(l.caKey())
	if err != nil {
		return fmt.Errorf("make the key of the certificate authority: %w", err)
	}
	ca, err := sign(l.caCert(), caTemplate, caTemplate, caKey, caKey)
	if err != nil {
		return fmt.Errorf("make the certificate authority: %w", err)
	}

	// RSA, as everywhere else: the service account token keys of real clusters are RSA, and some verifiers know nothing else.
	saKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return fmt.Errorf("make the service account key: %w", err)
	}
	if err := writePEM(l.serviceAccountKey(), "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(saKey)); err != nil {
		return fmt.Errorf("write the service account key: %w", err)
	}

	serving := template("kube-apiserver")
	serving.KeyUsage = x509.KeyUsageDigitalSignature
	serving.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	serving.DNSNames = []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}
	serving.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback, net.ParseIP(serviceIP)}
	servingKey, err := newKey(l.servingKey())
	if err != nil {
		return fmt.Errorf("make the key of the API server: %w", err)
	}
	// Last, because its presence means that all is there.
	if _, err := sign(l.servingCert(), serving, ca, servingKey, caKey); err != nil {
		return fmt.Errorf("make the certificate of the API server: %w", err)
	}
	return nil
}

func template(name string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		Subject:   pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), // clocks differ
		NotAfter:  now.Add(lifetime),
	}
}

func newKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writePEM(path, "EC PRIVATE KEY", der)
}

// sign gives the template a serial number, signs it and writes it to path.
func sign(path string, leaf, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	leaf.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, leaf, parent, &key.PublicKey, parentKey)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return cert, writePEM(path, "CERTIFICATE", der)
}

func writePEM(path, kind string, der []byte) error {
	return writeFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
