package decisions

import (
	"encoding/json"

	"github.com/portcullis-dev/portcullis/review"
	"github.com/portcullis-dev/portcullis/review/rawjson"
)

// erased stands for what was taken out.
const (
	erased     = "(erased)"
	erasedText = `"` + erased + `"`
)

// lastApplied is the annotation in which kubectl keeps a copy of all it sent.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// secret reports whether the request is about something whose content is a credential.
func secret(req *review.Request) bool {
	t := req.Target
	return t.Group == "" && (t.Resource == "secrets" || t.Resource == "serviceaccounts" && t.Subresource == "token")
}

// credentials are the places of a review at which there are always credentials; nil if there are none.
func credentials(req *review.Request) (p *place) {
	switch {
	case req.Stage == review.Authenticate:
		return p.with("spec", "token")
	case secret(req):
		for _, object := range []string{"object", "oldObject"} {
			for _, member := range []string{"data", "stringData", "status"} {
				p = p.with("request", object, member)
			}
			p = p.with("request", object, "metadata", "annotations", lastApplied)
		}
	}
	return p
}

// masked is a review without tokens, without the content of Secrets, and without what is erased beside.
type masked struct {
	input  json.RawMessage
	erased []string // where something was taken out, as JSON pointers into the record
	req    *review.Request
	secret bool // it was about something whose content is a credential
	erase  Erasures
	quotes *quotes
}

func mask(req *review.Request, erase Erasures) *masked {
	out := &masked{input: json.RawMessage(req.Body), req: req, secret: secret(req), erase: erase}
	at := placesOf(credentials(req), erase.input)
	if len(at) == 0 {
		return out
	}
	m := masker{Decoder: rawjson.NewDecoder(req.Body), root: "/input"}
	if erase.input != nil {
		out.quotes = &quotes{}
		m.quotes = out.quotes
	}
	if err := m.value("", at); err != nil {
		// Cannot be: the review was read before. Should it be, nothing is better than a secret.
		m.out, m.erased = []byte(erasedText), []string{"/input"}
	}
	out.input, out.erased = m.out, m.erased
	return out
}

// said returns what a policy said of the review, for the place in the record to which pointer leads; field is that with * for numbers. Whatever it
// said of a Secret is taken out: it may quote a part, in any encoding, and a part may be too short to be recognized.
func (m *masked) said(pointer, field, text string) string {
	if text == "" || !m.secret && !m.erase.fields[field] {
		return m.kept(pointer, text)
	}
	m.erased = append(m.erased, pointer)
	return erased
}

// wrong returns why there was no answer.
func (m *masked) wrong(text string) string { return m.kept("/error", text) }

// user returns whose token it is.
func (m *masked) user(name string) string { return m.kept("/result/user", name) }

// kept returns a text that is not a policy's, at a pointer that is a field, too.
func (m *masked) kept(pointer, text string) string {
	if text != "" && m.erase.fields[pointer] {
		m.erased = append(m.erased, pointer)
		return erased
	}
	hidden := m.quotes.hide(text)
	if hidden != text {
		m.erased = append(m.erased, pointer)
	}
	return m.req.HideToken(hidden)
}

// patch returns a patch without what it puts where something is erased. Of that of a Secret it is kept that there was one, so that nobody takes the
// Secret for unchanged.
func (m *masked) patch(patch json.RawMessage) json.RawMessage {
	switch {
	case len(patch) == 0:
		return nil
	case m.secret, m.erase.fields["/result/patch"]:
		m.erased = append(m.erased, "/result/patch")
		return json.RawMessage(erasedText)
	}
	out, erasedAt := maskPatch(patch, m.erase.object, m.quotes)
	m.erased = append(m.erased, erasedAt...)
	return out
}
