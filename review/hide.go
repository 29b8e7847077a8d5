package review

import (
	"strings"

	"github.com/portcullis-dev/portcullis/review/rawjson"
)

const (
	// hidden stands where a part of a token stood.
	hidden = "(token)"
	// piece is the length in bytes from which a stretch of a token is taken for a part of it. Shorter ones are words.
	piece = 8
)

// HideToken returns text without any part of the token that r asks about: builtins quote the operand they cannot use, policies say
// what they like, and in authentication both may be the token. A part counts as well as the whole, since messages are cut; it is at
// least eight bytes long, or all of a shorter token. At other stages text is returned as it is.
func (r *Request) HideToken(text string) string {
	if r.Stage != Authenticate || text == "" {
		return text
	}
	return hide(text, tokenOf(r.Body))
}

// Token is the token that r asks about, and nothing at other stages. It must not be kept, and does not print.
func (r *Request) Token() Raw {
	if r.Stage != Authenticate {
		return nil
	}
	return Raw(tokenOf(r.Body))
}

func hide(text, token string) string {
	if token == "" {
		return text
	}
	if len(token) <= piece {
		return strings.ReplaceAll(text, token, hidden)
	}
	if len(text) < piece {
		return text
	}
	// A set of all pieces, since text may be as long as the token and the product of both lengths is a second's work.
	pieces := make(map[string]bool, len(token))
	for i := 0; i+piece <= len(token); i++ {
		pieces[token[i:i+piece]] = true
	}
	var out strings.Builder
	done := 0 // text[:done] is written or hidden
	for i := 0; i < len(text); i++ {
		if i+piece <= len(text) && pieces[text[i:i+piece]] {
			if i >= done {
				out.WriteString(hidden)
			}
			done = i + piece
		}
		if i >= done {
			out.WriteByte(text[i])
		}
	}
	return out.String()
}

// tokenOf returns spec.token of a TokenReview that has been read before.
func tokenOf(body []byte) string {
	var token string
	d := rawjson.NewDecoder(body)
	// An error cannot happen here; if it did, what was read so far is hidden.
	_ = d.Object(func(name []byte) error {
		if string(name) != "spec" || d.Kind() != rawjson.Object {
			return d.Skip()
		}
		return d.Object(func(name []byte) error {
			if string(name) != "token" || d.Kind() != rawjson.String {
				return d.Skip()
			}
			var err error
			token, err = d.String()
			return err
		})
	})
	return token
}
