package review

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestHideToken(t *testing.T) {
	for _, c := range []struct{ text, token, want string }{
		{"nothing to hide", "abcdefghijklmnop", "nothing to hide"},
		{`parsing "abcdefghijklmnop": bad`, "abcdefghijklmnop", `parsing "(token)": bad`},
		{"part cdefghijkl of it", "abcdefghijklmnop", "part (token) of it"},
		{"twice abcdefghijklmnop abcdefghijklmnop", "abcdefghijklmnop", "twice (token) (token)"},
		{"two parts abcdefgh12345678 of it", "12345678--abcdefgh", "two parts (token)(token) of it"},
		{"abcdefghijklmnop", "abcdefghijklmnop", "(token)"},
		{"abcdefghabcdefgh!", "abcdefghabcdefgh", "(token)!"},
		{"éabcdefghijklmnopé", "abcdefghijklmnop", "é(token)é"},
		{"a word of it: abcdefg", "abcdefghijklmnop", "a word of it: abcdefg"},
		{"a short one: xyz", "xyz", "a short one: (token)"},
		{"xy", "xyz", "xy"},
		{"", "abcdefghijklmnop", ""},
	} {
		if got := tokenRequest(t, c.token).HideToken(c.text); got != c.want {
			t.Errorf("%q without %q is %q, not %q", c.text, c.token, got, c.want)
		}
	}
	const text = "abcdefghijklmnop"
	if got := (&Request{Stage: Validate, Body: Raw(`{"spec":{"token":"` + text + `"}}`)}).HideToken(text); got != text {
		t.Errorf("what is no token became %q", got)
	}
	if got := (&Request{Stage: Authenticate}).HideToken(text); got != text {
		t.Errorf("without a token %q became %q", text, got)
	}
}

func tokenRequest(t *testing.T, token string) *Request {
	t.Helper()
	quoted, err := json.Marshal(token)
	if err != nil {
		t.Fatal(err)
	}
	body := fmt.Sprintf(`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"audiences":["a"],"token":%s}}`, quoted)
	req, _, err := DialectAuthenticate([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// FuzzHideToken checks that no eight bytes of a token survive next to each other.
func FuzzHideToken(f *testing.F) {
	f.Add("the token abcdefghijklmnop is bad", "abcdefghijklmnop")
	f.Add("aaaaaaaaaaaaaaaa", "aaaaaaaaa")
	f.Fuzz(func(t *testing.T, text, token string) {
		if token == "" || len(token) > maxToken || !utf8.ValidString(token) || strings.Contains(token, "\x00") || strings.Contains(token, hidden) {
			return
		}
		got := strings.ReplaceAll(tokenRequest(t, token).HideToken(text), hidden, "\x00")
		for i := 0; i+piece <= len(token); i++ {
			if strings.Contains(got, token[i:i+piece]) {
				t.Fatalf("%q survives in %q", token[i:i+piece], got)
			}
		}
		if len(token) < piece && strings.Contains(got, token) {
			t.Fatalf("%q survives in %q", token, got)
		}
	})
}
