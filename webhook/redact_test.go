package webhook

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/portcullis-dev/portcullis/review"
)

func TestMask(t *testing.T) {
	for _, c := range []struct{ text, secret, want string }{
		{"nothing to hide", "abcdefghijklmnop", "nothing to hide"},
		{`parsing "abcdefghijklmnop": bad`, "abcdefghijklmnop", `parsing "(token)": bad`},
		{"part cdefghijkl of it", "abcdefghijklmnop", "part (token) of it"},
		{"twice abcdefghijklmnop abcdefghijklmnop", "abcdefghijklmnop", "twice (token) (token)"},
		{"abcdefghijklmnop", "abcdefghijklmnop", "(token)"},
		{"abcdefghabcdefgh!", "abcdefghabcdefgh", "(token)!"},
		{"a short one: xyz", "xyz", "a short one: (token)"},
		{"empty", "", "empty"},
		{"", "abcdefghijklmnop", ""},
	} {
		if got := mask(c.text, c.secret); got != c.want {
			t.Errorf("%q without %q is %q, not %q", c.text, c.secret, got, c.want)
		}
	}
}

func TestRedactOnlyTokens(t *testing.T) {
	if got := redact(nil, "a\nline"); got != "a line" {
		t.Error(got)
	}
	if got := redact(&review.Request{Stage: review.Validate, Body: review.Raw(admission)}, "705ab4f5"); got != "705ab4f5" {
		t.Error(got)
	}
}

// FuzzMask checks that no eight bytes of a secret survive next to each other.
func FuzzMask(f *testing.F) {
	f.Add("the token abcdefghijklmnop is bad", "abcdefghijklmnop")
	f.Add("aaaaaaaaaaaaaaaa", "aaaaaaaaa")
	f.Fuzz(func(t *testing.T, text, secret string) {
		got := strings.ReplaceAll(mask(text, secret), "(token)", "\x00")
		if strings.Contains(secret, "\x00") || strings.Contains(secret, "(token)") {
			return
		}
		for i := 0; i+gram <= len(secret); i++ {
			if strings.Contains(got, secret[i:i+gram]) {
				t.Fatalf("%q survives in %q", secret[i:i+gram], got)
			}
		}
		if !utf8.ValidString(secret) {
			return
		}
		quoted, err := json.Marshal(secret)
		if err != nil {
			t.Fatal(err)
		}
		body := fmt.Sprintf(`{"spec":{"token":%s},"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview"}`, quoted)
		if req, _, err := review.DialectAuthenticate([]byte(body)); err == nil && tokenOf(req.Body) != secret {
			t.Fatalf("the token was read as %q, not %q", tokenOf(req.Body), secret)
		}
	})
}
