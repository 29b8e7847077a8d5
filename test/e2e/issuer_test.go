package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

// issuer signs tokens with ES256.
type issuer struct{ key *ecdsa.PrivateKey }

func newIssuer(t *testing.T) issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return issuer{key}
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// jwks is the public key as YAML on one line.
func (i issuer) jwks() string {
	point, err := i.key.PublicKey.Bytes()
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf(`{keys: [{kty: EC, crv: P-256, use: sig, alg: ES256, kid: e2e, "x": %s, "y": %s}]}`, encode(point[1:33]), encode(point[33:]))
}

// sign makes a token of claims, to which it adds an end in an hour unless they have one.
func (i issuer) sign(claims string) (string, error) {
	all := map[string]any{"exp": time.Now().Add(time.Hour).Unix()}
	if err := json.Unmarshal([]byte(claims), &all); err != nil {
		return "", err
	}
	text, err := json.Marshal(all)
	if err != nil {
		return "", err
	}
	signed := encode([]byte(`{"alg":"ES256","typ":"JWT","kid":"e2e"}`)) + "." + encode(text)
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, i.key, sum[:])
	if err != nil {
		return "", err
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signed + "." + encode(signature), nil
}
