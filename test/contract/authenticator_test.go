package contract

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	tokencache "k8s.io/apiserver/pkg/authentication/token/cache"
	tokenwebhook "k8s.io/apiserver/plugin/pkg/authenticator/token/webhook"
	"sigs.k8s.io/yaml"
)

// sessions knows a few tokens.
var sessions = files{"sessions.rego": policy("sessions", "{}", `
user := {"username": "jane", "uid": "42", "groups": ["dev", "oncall"], "extra": {"example.com/credential": ["c-1"]}} if {
	input.spec.token in {"jane's", "jane's, but revoked"}
}

user := {"username": "ci", "groups": [], "audiences": ["vault", "registry"]} if input.spec.token == "for vault"

user := {"username": "lost", "audiences": []} if input.spec.token == "for nobody"

user := {"username": "mallory", "groups": ["system:masters"]} if input.spec.token == "mallory's"

deny contains "the session was revoked" if input.spec.token == "jane's, but revoked"
`)}

// apiAudience is what the API server calls itself.
const apiAudience = "https://kubernetes.default.svc"

func (s *server) authenticator(t testing.TB, version string) authenticator.Token {
	t.Helper()
	w, err := tokenwebhook.New(s.kubeconfig(t, "/authenticate"), version, authenticator.Audiences{apiAudience}, once)
	must(t, err)
	return w
}

func TestTokens(t *testing.T) {
	t.Parallel() // the server takes a second to part from a caller over HTTP/2
	s := serve(t, sessions)
	const jane = `jane 42 [dev oncall] map[example.com/credential:[c-1]]`
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			w := s.authenticator(t, version)
			for _, c := range []struct {
				name, token string
				audiences   authenticator.Audiences
				want        string
			}{
				{"ours", "jane's", nil, jane + " []"},
				{"not ours", "eyJhbGciOiJSUzI1NiJ9.e30.c2ln", nil, "nobody"},
				{"revoked", "jane's, but revoked", nil, "nobody"},
				{"for the API server, as no policy said otherwise", "jane's", authenticator.Audiences{"vault", apiAudience}, jane + " [" + apiAudience + "]"},
				{"and so for nobody else", "jane's", authenticator.Audiences{"vault", "other"}, "nobody"},
				{"for what a policy says", "for vault", authenticator.Audiences{"other", "vault"}, "ci  [] map[] [vault]"},
				{"and for nothing else", "for vault", authenticator.Audiences{"other"}, "nobody"},
				{"nor for the API server", "for vault", authenticator.Audiences{apiAudience}, "nobody"},
				{"for what a policy says, where nobody is asked about", "for vault", nil, "ci  [] map[] []"},
				{"for nothing at all", "for nobody", nil, "nobody"},
				{"not ours, for an audience", "unknown", authenticator.Audiences{"vault"}, "nobody"},
				{
					"a group of the API server's own", "mallory's", nil,
					`error: sessions: the policy could not be evaluated: it returns a user or group whose name begins with "system:", which Kubernetes keeps for itself`,
				},
			} {
				t.Run(c.name, func(t *testing.T) {
					ctx := t.Context()
					if c.audiences != nil {
						ctx = authenticator.WithAudiences(ctx, c.audiences)
					}
					response, ok, err := w.AuthenticateToken(ctx, c.token)
					got := "nobody"
					switch {
					case err != nil:
						got = "error: " + err.Error()
					case ok:
						u := response.User
						got = fmt.Sprint(u.GetName(), " ", u.GetUID(), " ", u.GetGroups(), " ", u.GetExtra(), " ", response.Audiences)
					}
					if got != c.want {
						t.Errorf("%s\nwant %s", got, c.want)
					}
				})
			}
		})
	}
}

// A token that is good for the API server opens no other service, whoever asks on its behalf.
func TestTokensOfAnIssuer(t *testing.T) {
	t.Parallel() // the server takes a second to part from a caller over HTTP/2
	s := serve(t, files{"login.yaml": `apiVersion: portcullis.dev/v1alpha1
kind: Policy
metadata: {name: login}
spec:
  use: access.jwt
  parameters:
    apiAudiences: [` + apiAudience + `]
    issuers:
    - issuer: https://login.example.com
      audiences: [kubernetes]
      usernameClaim: name
      jwks:
        keys:
        - {kty: EC, crv: P-256, use: sig, alg: ES256, kid: es-1, x: NTgbihyuRfs-_O1JBJBAJxAnU2LpnliZjlf3HnaGqqE, "y": 2HqSR31DcBfz4pgK4uSS5lkRsGi_0x5zc36qx0zNyfs}
`})
	fixture, err := os.ReadFile("../../policies/library/access/jwt/allow.yaml")
	must(t, err)
	var good authenticationv1.TokenReview
	must(t, yaml.Unmarshal(fixture, &good))
	w := s.authenticator(t, "v1")
	for _, c := range []struct{ asked, want authenticator.Audiences }{
		{authenticator.Audiences{apiAudience}, authenticator.Audiences{apiAudience}},
		{authenticator.Audiences{"vault", "kubernetes"}, authenticator.Audiences{"kubernetes"}},
		{authenticator.Audiences{"vault"}, nil},
	} {
		response, ok, err := w.AuthenticateToken(authenticator.WithAudiences(t.Context(), c.asked), good.Spec.Token)
		if err != nil || ok != (c.want != nil) || ok && (response.User.GetName() != "anna" || !slices.Equal(response.Audiences, c.want)) {
			t.Errorf("asked about %v: %+v %v %v, want %v", c.asked, response, ok, err, c.want)
		}
	}
}

// The API server keeps what it was told of a token, for two minutes by its own default, so a token that is revoked stays good so long;
// errors it does not keep.
func TestTokensAreCachedAndErrorsAreNot(t *testing.T) {
	t.Parallel() // the server takes a second to part from a caller over HTTP/2
	s := serve(t, sessions)
	w := tokencache.New(s.authenticator(t, "v1"), false, 2*time.Minute, 2*time.Minute)
	var asked []int
	for _, token := range []string{"jane's", "jane's", "unknown", "unknown", "mallory's", "mallory's"} {
		_, _, _ = w.AuthenticateToken(t.Context(), token)
		asked = append(asked, len(s.heard.take()))
	}
	if want := []int{1, 0, 1, 0, 1, 1}; !slices.Equal(asked, want) {
		t.Errorf("asked %v times, want %v", asked, want)
	}
}

// A server that cannot answer is an error and not somebody's refusal: another authenticator may know the token.
func TestTokensWithoutAnAnswer(t *testing.T) {
	t.Parallel() // the server takes a second to part from a caller over HTTP/2
	s := serve(t, nil, func(o *setup) { o.unloaded, o.impatient = true, true })
	_, ok, err := s.authenticator(t, "v1").AuthenticateToken(t.Context(), "jane's")
	if ok || err == nil || err.Error() != "no answer is available now: no policies are loaded yet" {
		t.Error(ok, err)
	}
}
