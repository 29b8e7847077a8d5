package review

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
)

// A fault says why in status.error, which the API server logs: whoever put the token into the finding, none of it is told there.
func TestTheErrorOfATokenReviewHasNoToken(t *testing.T) {
	const token = "abcdefghijklmnop"
	_, answer, err := DialectAuthenticate(fmt.Appendf(nil, `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":%q}}`, token))
	if err != nil {
		t.Fatal(err)
	}
	fault := func(message, field string) Finding {
		return Finding{Policy: "tokens", Effect: EffectDeny, Message: message, Field: field, Fault: true}
	}
	for _, c := range []struct {
		findings []Finding
		want     string
	}{
		{[]Finding{fault("it cannot use "+token, "")}, "tokens: it cannot use (token)"},
		{[]Finding{fault("it cannot use this", token[2:14])}, "tokens: it cannot use this ((token))"},
		{[]Finding{fault(token[:9]+"…", ""), fault("no: "+token[4:], "")}, "2 reasons:\n- tokens: (token)…\n- tokens: no: (token)"},
		{[]Finding{fault("its evaluation panicked", "")}, "tokens: its evaluation panicked"},
		{[]Finding{{Policy: "tokens", Effect: EffectDeny, Message: token}}, ""}, // a refusal says nothing at all
	} {
		out, ok := answer(Decision{Findings: c.findings}).(*authenticationv1.TokenReview)
		if !ok || out.Status.Authenticated || out.Status.Error != c.want || strings.Contains(out.Status.Error, token[:8]) {
			t.Errorf("%+v: %+v", c.findings, out)
		}
	}
}

// The answer never says a token is good for an audience that was not asked about, whoever decided, and is no when it is good for others only.
func TestTheAudiencesOfATokenAreThoseAskedAbout(t *testing.T) {
	for _, c := range []struct {
		asked string
		given []string
		want  string
	}{
		{``, nil, `{"authenticated":true,"user":{"username":"jane"}}`},
		{``, []string{"vault"}, `{"authenticated":true,"user":{"username":"jane"}}`},
		{`,"audiences":["api"]`, nil, `{"authenticated":true,"user":{"username":"jane"}}`},
		{`,"audiences":["api"]`, []string{"api", "vault"}, `{"authenticated":true,"user":{"username":"jane"},"audiences":["api"]}`},
		{`,"audiences":["b","a"]`, []string{"a", "b"}, `{"authenticated":true,"user":{"username":"jane"},"audiences":["b","a"]}`},
		{`,"audiences":["api"]`, []string{"vault"}, `{"user":{}}`},
	} {
		_, answer, err := DialectAuthenticate([]byte(`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"t"` + c.asked + `}}`))
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(answer(Decision{Verdict: Allow, Identity: &User{Username: "jane"}, Audiences: c.given}))
		var out struct{ Status json.RawMessage }
		if err == nil {
			err = json.Unmarshal(text, &out)
		}
		if err != nil || string(out.Status) != c.want {
			t.Errorf("asked about %s, good for %q: %s %v", c.asked, c.given, out.Status, err)
		}
	}
}
