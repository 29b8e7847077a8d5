package decisions

import (
	"encoding/json"
	"strings"

	"github.com/portcullis-dev/portcullis/review"
	"github.com/portcullis-dev/portcullis/review/rawjson"
)

// erased stands for what was taken out.
const (
	erased     = "(erased)"
	erasedText = `"` + erased + `"`
)

// lastApplied is the annotation in which kubectl keeps a copy of all it sent, spelt as a JSON pointer does.
const lastApplied = "kubectl.kubernetes.io~1last-applied-configuration"

// secret reports whether the request is about something whose content is a credential.
func secret(req *review.Request) bool {
	t := req.Target
	return t.Group == "" && (t.Resource == "secrets" || t.Resource == "serviceaccounts" && t.Subresource == "token")
}

// masked is a review without tokens and without the content of Secrets.
type masked struct {
	input  json.RawMessage
	erased []string // where something was taken out, as JSON pointers into the record
	req    *review.Request
	secret bool // it was about something whose content is a credential
}

// said returns what a policy said of the review, for the place in the record to which pointer leads. Whatever it said of a Secret is taken
// out: it may quote a part, in any encoding, and a part may be too short to be recognized.
func (m *masked) said(pointer, text string) string {
	if !m.secret || text == "" {
		return m.req.HideToken(text)
	}
	m.erased = append(m.erased, pointer)
	return erased
}

func mask(req *review.Request) masked {
	erase := map[string]bool{}
	switch {
	case req.Stage == review.Authenticate:
		erase["/spec/token"] = true
	case secret(req):
		for _, object := range []string{"/request/object", "/request/oldObject"} {
			for _, member := range []string{"/data", "/stringData", "/status", "/metadata/annotations/" + lastApplied} {
				erase[object+member] = true
			}
		}
	default:
		return masked{input: json.RawMessage(req.Body), req: req}
	}
	m := masker{Decoder: rawjson.NewDecoder(req.Body), erase: erase, pointer: strings.NewReplacer("~", "~0", "/", "~1")}
	if err := m.value("", 0); err != nil {
		// Cannot be: the review was read before. Should it be, nothing is better than a secret.
		m.out, m.erased = []byte(erasedText), []string{"/input"}
	}
	return masked{input: m.out, erased: m.erased, req: req, secret: secret(req)}
}

// masker copies a document, leaving out the values at some paths. None lies deeper than deepest.
type masker struct {
	*rawjson.Decoder
	erase   map[string]bool
	pointer *strings.Replacer // spells a member's name as a JSON pointer does
	out     []byte
	erased  []string
}

const deepest = 5

func (m *masker) value(path string, depth int) error {
	switch {
	case m.erase[path]:
		m.out = append(m.out, erasedText...)
		m.erased = append(m.erased, "/input"+path)
		return m.Skip()
	case depth == deepest || m.Kind() != rawjson.Object:
		raw, err := m.Raw()
		m.out = append(m.out, raw...)
		return err
	}
	separator := byte('{')
	err := m.Object(func(name []byte) error {
		quoted, err := json.Marshal(string(name))
		if err != nil {
			return err
		}
		m.out = append(append(append(m.out, separator), quoted...), ':')
		separator = ','
		return m.value(path+"/"+m.pointer.Replace(string(name)), depth+1)
	})
	if separator == '{' {
		m.out = append(m.out, '{')
	}
	m.out = append(m.out, '}')
	return err
}
