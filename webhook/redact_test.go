package webhook

import (
	"testing"

	"github.com/portcullis-dev/portcullis/review"
)

func TestRedact(t *testing.T) {
	token := &review.Request{Stage: review.Authenticate, Body: review.Raw(`{"spec":{"token":"abcdefghijklmnop"}}`)}
	for _, c := range []struct {
		req        *review.Request
		text, want string
	}{
		{nil, "a\nline", "a line"},
		{token, "parsing\n\"abcdefghijklmnop\"", `parsing "(token)"`},
		{&review.Request{Stage: review.Validate, Body: review.Raw(admission)}, "705ab4f5", "705ab4f5"},
	} {
		if got := redact(c.req, c.text); got != c.want {
			t.Errorf("%q is redacted to %q, not %q", c.text, got, c.want)
		}
	}
}
