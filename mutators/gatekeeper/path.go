package gatekeeper

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// maxPath bounds the text of a path in bytes. A label's key has at most 317, and nothing in Kubernetes' own objects lies deeper than
	// a dozen names.
	maxPath = 4096
	// maxNodes bounds the steps of a path, and so the depth of what is made on the way.
	maxNodes = 64
)

// path leads from an object to places in it.
type path []node

// node is one step: into the member name of an object or, if list is set, into the elements of a list whose member name is the key.
type node struct {
	name  string
	list  bool
	every bool // any key will do
	key   any  // a string or an int64
}

// parsePath reads a path as doc.go describes it. An empty one leads nowhere. Errors name the column, counted in characters from 1.
func parsePath(text string) (path, error) {
	if len(text) > maxPath {
		return nil, fmt.Errorf("a path has at most %d bytes, this one has %d", maxPath, len(text))
	}
	if !utf8.ValidString(text) {
		return nil, errors.New("the path is not UTF-8")
	}
	s := scanner{text: text}
	t := s.next()
	if t.kind == tokenEnd {
		return nil, nil
	}
	var out path
	for {
		if t.kind != tokenName {
			return nil, s.expected(t, "a name")
		}
		out = append(out, node{name: t.text})
		if t = s.next(); t.kind == '[' {
			element, err := s.element()
			if err != nil {
				return nil, err
			}
			out = append(out, element)
			t = s.next()
		}
		if len(out) > maxNodes {
			return nil, fmt.Errorf("a path has at most %d steps", maxNodes)
		}
		switch t.kind {
		case tokenEnd:
			return out, nil
		case '.':
			t = s.next()
		default:
			return nil, s.expected(t, "a dot, or the path's end,")
		}
	}
}

// element reads what stands behind "[".
func (s *scanner) element() (node, error) {
	out := node{list: true}
	t := s.next()
	if t.kind != tokenName {
		return node{}, s.expected(t, "the name of a list's key")
	}
	out.name = t.text
	if t = s.next(); t.kind != ':' {
		return node{}, s.expected(t, `":" and the key's value`)
	}
	switch t = s.next(); t.kind {
	case tokenName:
		out.key = t.text
	case tokenNumber:
		number, err := strconv.ParseInt(t.text, 10, 64)
		if err != nil {
			return node{}, fmt.Errorf("column %d: the number is too large", s.column(t))
		}
		out.key = number
	case '*':
		out.every = true
	default:
		return node{}, s.expected(t, `the key's value, or "*",`)
	}
	if t = s.next(); t.kind != ']' {
		return node{}, s.expected(t, `"]"`)
	}
	return out, nil
}

// The kinds of tokens that are not one character, which is its own kind.
const (
	tokenEnd rune = -1 - iota
	tokenName
	tokenNumber
	tokenOpen // a quotation without an end
)

type token struct {
	kind rune
	text string // of a name, what it is without quotes
	at   int
}

type scanner struct {
	text string
	at   int
}

func (s *scanner) next() token {
	s.at += len(s.text[s.at:]) - len(strings.TrimLeft(s.text[s.at:], " \t\r\n"))
	t := token{kind: tokenEnd, at: s.at}
	if s.at == len(s.text) {
		return t
	}
	c, width := utf8.DecodeRuneInString(s.text[s.at:])
	switch {
	case c == '"' || c == '\'':
		return s.quoted(c)
	case digit(c):
		t.kind, t.text = tokenNumber, s.while(digit)
	case plain(c):
		t.kind, t.text = tokenName, s.while(plain)
	default:
		t.kind, t.text = c, s.text[s.at:s.at+width]
		s.at += width
	}
	return t
}

// while reads on as long as the characters are some.
func (s *scanner) while(some func(rune) bool) string {
	rest := s.text[s.at:]
	if end := strings.IndexFunc(rest, func(c rune) bool { return !some(c) }); end >= 0 {
		rest = rest[:end]
	}
	s.at += len(rest)
	return rest
}

func (s *scanner) quoted(mark rune) token {
	t := token{kind: tokenOpen, at: s.at}
	var out strings.Builder
	escaped := false
	for i, c := range s.text[s.at+1:] {
		switch {
		case escaped:
			escaped = false
		case c == '\\':
			escaped = true
			continue
		case c == mark:
			s.at += 1 + i + 1
			t.kind, t.text = tokenName, out.String()
			return t
		}
		out.WriteRune(c)
	}
	s.at = len(s.text)
	return t
}

func digit(c rune) bool { return '0' <= c && c <= '9' }

func plain(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || digit(c) || c == '_' || c == '-'
}

func (s *scanner) column(t token) int { return utf8.RuneCountInString(s.text[:t.at]) + 1 }

// expected is the error that what stands at t is not what.
func (s *scanner) expected(t token, what string) error {
	is := strconv.Quote(t.text)
	switch t.kind {
	case tokenEnd:
		is = "the end of the path"
	case tokenOpen:
		is = "a quotation without an end"
	case tokenNumber:
		is += "; what begins with a digit is quoted where a name should stand"
	}
	return fmt.Errorf("column %d: %s should stand here, not %s", s.column(t), what, is)
}

// String spells the path so that parsePath reads the same path again.
func (p path) String() string {
	var out strings.Builder
	for i, n := range p {
		switch {
		case n.list && n.every:
			fmt.Fprintf(&out, "[%s: *]", quote(n.name))
		case n.list:
			key := fmt.Sprint(n.key)
			if text, ok := n.key.(string); ok {
				key = quote(text)
			}
			fmt.Fprintf(&out, "[%s: %s]", quote(n.name), key)
		case i > 0:
			out.WriteString("." + quote(n.name))
		default:
			out.WriteString(quote(n.name))
		}
	}
	return out.String()
}

// quote writes a name as a path has it.
func quote(name string) string {
	if name != "" && !digit(rune(name[0])) && !strings.ContainsFunc(name, func(c rune) bool { return !plain(c) }) {
		return name
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
}

// begins reports whether p is a beginning of whole, or all of it.
func (p path) begins(whole path) bool {
	return len(p) <= len(whole) && slices.Equal(p, whole[:len(p)])
}

// last is the path's last step. The path has one.
func (p path) last() node { return p[len(p)-1] }
