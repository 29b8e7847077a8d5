package main

import (
	"fmt"
	"time"

	"github.com/portcullis-dev/portcullis/test/props"
)

// The issuer of the tokens of this demonstration, and whom they are for.
const (
	issuer   = "https://login.example.com"
	audience = "kubernetes"
)

// login is the identity provider of this demonstration, and the policy that knows it.
type login struct{ *props.Issuer }

func newLogin() (login, error) {
	issuer, err := props.NewIssuer("demo")
	return login{issuer}, err
}

// token is a JWT for a user.
func (l login) token(user string, groups ...string) (string, error) {
	return l.Sign(map[string]any{"iss": issuer, "aud": audience, "sub": user, "groups": groups})
}

// policy is the Policy object that accepts the tokens.
func (l login) policy() []byte {
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
        - %s
`, issuer, audience, l.JWK)
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
