package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"slices"
	"time"
)

const (
	// leafLife outlives three times the longest outage of an API server anybody should sit through, two days, and is short
	// enough that a stolen key is soon worthless.
	leafLife = 7 * 24 * time.Hour
	// caLife is long because replacing an authority takes every caller's cooperation.
	caLife = 365 * 24 * time.Hour
	// backdate lets callers whose clocks are behind ours accept a certificate made just now.
	backdate = time.Hour
)

// names is what a leaf certifies.
type names struct {
	DNS []string
	IPs []net.IP
}

// covered reports whether cert certifies every one of n.
func (n names) covered(cert *x509.Certificate) bool {
	for _, name := range n.DNS {
		if !slices.Contains(cert.DNSNames, name) {
			return false
		}
	}
	for _, ip := range n.IPs {
		if !slices.ContainsFunc(cert.IPAddresses, ip.Equal) {
			return false
		}
	}
	return true
}

// authority is a CA certificate and its key.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// newAuthority makes a CA that signs leaves and nothing else.
func newAuthority(now time.Time) (*authority, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, fmt.Errorf("making a CA: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a CA's key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		// The number keeps the subjects of two authorities apart while a bundle holds both: some verifiers look issuers up by it.
		Subject:               pkix.Name{CommonName: fmt.Sprintf("portcullis-ca-%x", serial.Bytes()[:4])},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(caLife),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	cert, err := sign(template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("signing a CA: %w", err)
	}
	return &authority{cert: cert, key: key}, nil
}

// issue makes a leaf for n and its key. ECDSA P-256, because the API server resumes no sessions and signing with RSA 2048 costs
// some twenty times as much at every new connection.
func (a *authority) issue(now time.Time, n names) (*x509.Certificate, crypto.Signer, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, nil, fmt.Errorf("making a certificate: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("making a certificate's key: %w", err)
	}
	until := now.Add(leafLife)
	if until.After(a.cert.NotAfter) {
		until = a.cert.NotAfter
	}
	cert, err := sign(&x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "portcullis"}, // for people only; callers read the alternative names
		NotBefore:    now.Add(-backdate),
		NotAfter:     until,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     n.DNS,
		IPAddresses:  n.IPs,
	}, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, nil, fmt.Errorf("signing a certificate: %w", err)
	}
	return cert, key, nil
}

func sign(template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// newSerial returns a random positive number of 127 bits whose top bit is set, so that it always has 16 bytes: RFC 5280 allows
// 20, and what cannot be guessed cannot be collided with.
func newSerial() (*big.Int, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))
	if err != nil {
		return nil, fmt.Errorf("choosing a serial number: %w", err)
	}
	return serial.SetBit(serial, 126, 1), nil
}
