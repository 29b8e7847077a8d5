package audit

import (
	"encoding/json"
	"strings"

	"github.com/portcullis-dev/portcullis/review"
	"github.com/portcullis-dev/portcullis/review/rawjson"
)

const erasedText = `"(erased)"`

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
	token  string   // the token it was about
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
		return masked{input: json.RawMessage(req.Body)}
	}
	m := masker{Decoder: rawjson.NewDecoder(req.Body), erase: erase, pointer: strings.NewReplacer("~", "~0", "/", "~1")}
	if err := m.value("", 0); err != nil {
		// Cannot be: the review was read before. Should it be, nothing is better than a secret.
		m.out, m.erased = []byte(erasedText), []string{"/input"}
	}
	out := masked{input: m.out, erased: m.erased}
	if req.Stage == review.Authenticate {
		out.token = m.last
	}
	return out
}

// masker copies a document, leaving out the values at some paths. None lies deeper than deepest.
type masker struct {
	*rawjson.Decoder
	erase   map[string]bool
	pointer *strings.Replacer // spells a member's name as a JSON pointer does
	out     []byte
	erased  []string
	last    string // the last text left out
}

const deepest = 5

func (m *masker) value(path string, depth int) error {
	switch {
	case m.erase[path]:
		m.out = append(m.out, erasedText...)
		m.erased = append(m.erased, "/input"+path)
		if m.Kind() != rawjson.String {
			return m.Skip()
		}
		var err error
		m.last, err = m.String()
		return err
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

// piece is the length from which a stretch of a token is taken for part of it. Shorter ones are words.
const piece = 8

// hide returns text without any stretch of the token in it: policies may say what they like, and what they say of a token is kept too.
// A part is hidden as well as the whole, since messages are cut.
func hide(text, token string) string {
	if token == "" || text == "" {
		return text
	}
	size := min(piece, len(token))
	var out strings.Builder
	for i := 0; i < len(text); {
		if i+size > len(text) || !strings.Contains(token, text[i:i+size]) {
			out.WriteByte(text[i])
			i++
			continue
		}
		out.WriteString("(token)")
		for i++; i+size <= len(text) && strings.Contains(token, text[i:i+size]); i++ {
		}
		i += size - 1
	}
	return out.String()
}
