package props

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"time"
)

// Issuer is an identity provider as small as can be: one key, which signs tokens. It is safe for concurrent use.
type Issuer struct {
	// JWK is the public key as a JSON Web Key, in YAML on one line.
	JWK string

	id  string
	key *ecdsa.PrivateKey
}

// NewIssuer returns an Issuer with a new key, which tokens call by id.
func NewIssuer(id string) (*Issuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the issuer's key: %w", err)
	}
	point, err := key.PublicKey.Bytes() // 4, then both coordinates
	if err != nil {
		return nil, fmt.Errorf("encode the issuer's key: %w", err)
	}
	jwk := fmt.Sprintf(`{kty: EC, crv: P-256, use: sig, alg: ES256, kid: %s, "x": %s, "y": %s}`, id, encode(point[1:33]), encode(point[33:]))
	return &Issuer{JWK: jwk, id: id, key: key}, nil
}

// Sign returns a JWT of the claims, signed with ES256. Unless they have an end, exp, it is in an hour.
func (i *Issuer) Sign(claims map[string]any) (string, error) {
	all := map[string]any{"exp": time.Now().Add(time.Hour).Unix()}
	maps.Copy(all, claims)
	header, err := json.Marshal(map[string]string{"alg": "ES256", "typ": "JWT", "kid": i.id})
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(all)
	if err != nil {
		return "", fmt.Errorf("encode the claims: %w", err)
	}
	signed := encode(header) + "." + encode(payload)
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, i.key, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign the token: %w", err)
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signed + "." + encode(signature), nil
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
