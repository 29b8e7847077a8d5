package webhook

import (
	"bytes"
	"strings"

	"github.com/portcullis-dev/portcullis/review"
	"github.com/portcullis-dev/portcullis/review/rawjson"
)

const (
	// maxLogged bounds what one attribute of a log line takes from elsewhere.
	maxLogged = 1024
	// gram is the length of the pieces of a token that are recognized. Shorter ones are words.
	gram = 8
)

// redact returns text, an error's, as one line in which no part of the token that req is about can be read. Builtins quote the
// operand they cannot use, and in a policy for authentication that is the token.
func redact(req *review.Request, text string) string {
	if req != nil && req.Stage == review.Authenticate {
		text = mask(text, tokenOf(req.Body))
	}
	return review.Sentence(text, maxLogged)
}

// mask replaces every stretch of text that is also a stretch of secret, if it has at least gram bytes or is all of it.
func mask(text, secret string) string {
	const masked = "(token)"
	if secret == "" {
		return text
	}
	if len(secret) <= gram {
		return strings.ReplaceAll(text, secret, masked)
	}
	pieces := make(map[string]bool, len(secret))
	for i := 0; i+gram <= len(secret); i++ {
		pieces[secret[i:i+gram]] = true
	}
	var out strings.Builder
	hidden := 0 // text[:hidden] is written or masked
	for i := 0; i < len(text); i++ {
		if i+gram <= len(text) && pieces[text[i:i+gram]] {
			if i >= hidden {
				out.WriteString(masked)
			}
			hidden = i + gram
		}
		if i >= hidden {
			out.WriteByte(text[i])
		}
	}
	return out.String()
}

// tokenOf returns spec.token of a TokenReview that has been read before.
func tokenOf(body []byte) string {
	var token string
	d := rawjson.NewDecoder(body)
	// An error cannot happen here; if it did, what was read so far is masked.
	_ = d.Object(func(name []byte) error {
		if !bytes.Equal(name, []byte("spec")) || d.Kind() != rawjson.Object {
			return d.Skip()
		}
		return d.Object(func(name []byte) error {
			if !bytes.Equal(name, []byte("token")) || d.Kind() != rawjson.String {
				return d.Skip()
			}
			var err error
			token, err = d.String()
			return err
		})
	})
	return token
}
