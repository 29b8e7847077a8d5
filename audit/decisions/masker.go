package decisions

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/portcullis-dev/portcullis/review/rawjson"
)

// masker copies a document, leaving out what stands at some places.
type masker struct {
	*rawjson.Decoder
	root   string // the pointer to the document
	out    []byte
	erased []string // pointers
	quotes *quotes  // learns of what was erased; may be nil
}

// escape spells a member's name as a JSON pointer does.
func escape(name string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(name) }

// steps are the names on the way of a JSON pointer.
func steps(pointer string) []string {
	out := strings.Split(pointer, "/")[1:]
	for i := range out {
		out[i] = unescape(out[i])
	}
	return out
}

// unescape is the name that a step of a JSON pointer spells.
func unescape(step string) string { return strings.NewReplacer("~1", "/", "~0", "~").Replace(step) }

// value copies the next value, which is at pointer.
func (m *masker) value(pointer string, at places) error {
	if at.end() {
		m.out = append(m.out, erasedText...)
		m.erased = append(m.erased, m.root+pointer)
		raw, err := m.Raw()
		m.quotes.learn(raw)
		return err
	}
	kind := m.Kind()
	switch {
	case len(at) == 0 || kind != rawjson.Object && kind != rawjson.Array:
		raw, err := m.Raw()
		m.out = append(m.out, raw...)
		return err
	case kind == rawjson.Array:
		return m.array(pointer, at)
	}
	separator := byte('{')
	err := m.Object(func(name []byte) error {
		quoted, err := json.Marshal(string(name))
		if err != nil {
			return err
		}
		m.out = append(append(append(m.out, separator), quoted...), ':')
		separator = ','
		return m.value(pointer+"/"+escape(string(name)), at.step(string(name)))
	})
	m.close(separator, '{', '}')
	return err
}

func (m *masker) array(pointer string, at places) error {
	separator, n := byte('['), 0
	err := m.Array(func() error {
		m.out = append(m.out, separator)
		separator = ','
		index := strconv.Itoa(n)
		n++
		return m.value(pointer+"/"+index, at.step(index))
	})
	m.close(separator, '[', ']')
	return err
}

func (m *masker) close(separator, opening, closing byte) {
	if separator == opening { // it is empty
		m.out = append(m.out, opening)
	}
	m.out = append(m.out, closing)
}

// maskPatch copies an RFC 6902 patch without the values, or parts of them, that are put at places of the object. A patch that cannot be read is
// erased.
func maskPatch(patch json.RawMessage, object *place, quotes *quotes) (out json.RawMessage, erasedAt []string) {
	const root = "/result/patch"
	if object == nil || len(patch) == 0 {
		return patch, nil
	}
	var operations []struct {
		Path string `json:"path"`
	}
	whole := json.RawMessage(erasedText)
	if json.Unmarshal(patch, &operations) != nil {
		return whole, []string{root}
	}
	values := &place{}
	for i, operation := range operations {
		at := placesOf(object)
		for _, step := range steps(operation.Path) {
			if at.end() {
				break
			}
			at = at.step(step)
		}
		for _, p := range at {
			values.graft(p, strconv.Itoa(i), "value")
		}
	}
	m := masker{Decoder: rawjson.NewDecoder(patch), root: root, quotes: quotes}
	if err := m.value("", placesOf(values)); err != nil {
		return whole, []string{root}
	}
	return m.out, m.erased
}

// graft has a way from p lead to all that tree leads to.
func (p *place) graft(tree *place, steps ...string) {
	p.with(steps...)
	at := p
	for _, step := range steps {
		at = at.next[step]
	}
	at.end = false
	at.merge(tree)
}

func (p *place) merge(tree *place) {
	p.end = p.end || tree.end
	for name, next := range tree.next {
		if p.next == nil {
			p.next = map[string]*place{}
		}
		if p.next[name] == nil {
			p.next[name] = &place{}
		}
		p.next[name].merge(next)
	}
}
