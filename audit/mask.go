package audit

import (
	"encoding/json"

	"github.com/portcullis-dev/portcullis/review"
	"github.com/portcullis-dev/portcullis/review/rawjson"
)

const erasedText = `"(erased)"`

// lastApplied is the annotation in which kubectl keeps a copy of all it sent.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// secret reports whether the request is about something whose content is a credential.
func secret(req *review.Request) bool {
	t := req.Target
	return t.Group == "" && (t.Resource == "secrets" || t.Resource == "serviceaccounts" && t.Subresource == "token")
}

// mask returns the review without tokens and without the content of Secrets, and where something was taken out.
func mask(req *review.Request) (input json.RawMessage, erased []string) {
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
		return json.RawMessage(req.Body), nil
	}
	m := masker{Decoder: rawjson.NewDecoder(req.Body), erase: erase}
	if err := m.value("", 0); err != nil {
		// Cannot be: the review was read before. Should it be, nothing is better than a secret.
		return json.RawMessage(erasedText), []string{"/input"}
	}
	return m.out, m.erased
}

// masker copies a document, leaving out the values at some paths. None lies deeper than deepest.
type masker struct {
	*rawjson.Decoder
	erase  map[string]bool
	out    []byte
	erased []string
}

const deepest = 5

func (m *masker) value(path string, depth int) error {
	if m.erase[path] {
		m.out = append(m.out, erasedText...)
		m.erased = append(m.erased, "/input"+path)
		return m.Skip()
	}
	if depth == deepest || m.Kind() != rawjson.Object {
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
		return m.value(path+"/"+string(name), depth+1)
	})
	if separator == '{' {
		m.out = append(m.out, '{')
	}
	m.out = append(m.out, '}')
	return err
}
