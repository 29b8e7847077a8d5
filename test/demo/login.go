package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
)

// The issuer of the tokens of this demonstration, and whom they are for.
const (
	issuer   = "https://login.example.com"
	audience = "kubernetes"
)

// login is an identity provider as small as can be: one key, which signs tokens, and the policy that knows it.
type login struct{ key *ecdsa.PrivateKey }

func newLogin() (login, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return login{key: key}, err
}

// token is a JWT for a user, signed with ES256.
func (l login) token(user string, groups ...string) (string, error) {
	claims, err := json.Marshal(map[string]any{
		"iss": issuer, "aud": audience, "sub": user, "groups": groups, "exp": time.Now().Add(time.Hour).Unix(),
	})
	if err != nil {
		return "", err
	}
	signed := encode([]byte(`{"alg":"ES256","typ":"JWT","kid":"demo"}`)) + "." + encode(claims)
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, l.key, sum[:])
	if err != nil {
		return "", err
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signed + "." + encode(signature), nil
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// policy is the Policy object that accepts the tokens.
func (l login) policy() []byte {
	point, err := l.key.PublicKey.Bytes()
	if err != nil || len(point) != 65 {
		return nil
	}
	return fmt.Appendf(nil, `# Whose token is this? The public key was made for this demonstration.
apiVersion: portcullis.dev/v1alpha1
kind: Policy
metadata: {name: login}
spec:
  use: access.jwt
  parameters:
    apiAudiences: [https://kubernetes.default.svc]
    issuers:
    - issuer: %s
      audiences: [%s]
      prefix: "demo:"
      jwks:
        keys:
        - {kty: EC, crv: P-256, use: sig, alg: ES256, kid: demo, "x": %s, "y": %s}
`, issuer, audience, encode(point[1:33]), encode(point[33:]))
}

// breakGlass is a Policy object that grants the person on call an hour in the shop.
func breakGlass() []byte {
	return fmt.Appendf(nil, `# Break-glass: what RBAC does not allow, until a time and for a reason.
apiVersion: portcullis.dev/v1alpha1
kind: Policy
metadata: {name: break-glass}
spec:
  use: access.break_glass
  parameters:
    grants:
    - group: on-call
      until: %q
      verbs: [get, list]
      resources: [pods]
      namespaces: [shop]
      reason: incident 4711
`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
}
