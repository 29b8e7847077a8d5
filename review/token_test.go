package review

import (
	"encoding/json"
	"testing"
)

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
