package certs

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
)

// Names of the files of a directory of certificates, those of a Secret of type kubernetes.io/tls.
const (
	certificateFile = "tls.crt"
	keyFile         = "tls.key"
	authorityFile   = "ca.crt"
)

// parseCertificates reads every certificate of a PEM file, in order. Other blocks are passed over: files made by openssl carry
// parameters beside them. Errors name the file and quote nothing of it.
func parseCertificates(file string, data []byte) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: certificate %d cannot be read: %w", file, len(out)+1, err)
		}
		out = append(out, cert)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", file)
	}
	return out, nil
}

// parseKeys reads every private key of a PEM file, in order.
func parseKeys(file string, data []byte) ([]crypto.Signer, error) {
	var out []crypto.Signer
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			continue
		}
		if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["Proc-Type"] != "" {
			return nil, fmt.Errorf("%s is encrypted, and a server has nobody to ask for the passphrase; store the key unencrypted", file)
		}
		key, err := parseKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: the private key cannot be read: %w", file, err)
		}
		out = append(out, key)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s holds no private key in PEM form", file)
	}
	return out, nil
}

// parseKey reads PKCS #8, SEC 1 or PKCS #1, whatever the PEM block called itself.
func parseKey(der []byte) (crypto.Signer, error) {
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a %T cannot sign", key)
	}
	return signer, nil
}

// owner returns the one of keys that belongs to cert, or nil.
func owner(cert *x509.Certificate, keys []crypto.Signer) crypto.Signer {
	public, ok := cert.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok {
		return nil
	}
	for _, key := range keys {
		if public.Equal(key.Public()) {
			return key
		}
	}
	return nil
}

// chain is a certificate ready to serve: parsed once, its leaf kept, so that no handshake parses it again.
func chain(certs []*x509.Certificate, key crypto.Signer) *tls.Certificate {
	out := &tls.Certificate{PrivateKey: key, Leaf: certs[0]}
	for _, cert := range certs {
		out.Certificate = append(out.Certificate, cert.Raw)
	}
	return out
}

func encodeCertificates(certs ...*x509.Certificate) []byte {
	var out []byte
	for _, cert := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})...)
	}
	return out
}

func encodeKeys(keys ...crypto.Signer) ([]byte, error) {
	var out []byte
	for _, key := range keys {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, fmt.Errorf("encoding a private key: %w", err)
		}
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...)
	}
	return out, nil
}
