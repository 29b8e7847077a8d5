package policies

import (
	"fmt"
	"unsafe"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-dev/portcullis/review/rawjson"
)

// Value is a JSON value as the engine keeps it.
type Value = ast.Value

// vocabulary holds one term for every string the policies of a Set spell out. An input's member names are nearly always among them, so
// that decoding allocates nothing for them and comparing is comparing pointers.
type vocabulary map[string]*ast.Term

// learn adds every string that the module spells out.
func (v vocabulary) learn(module *ast.Module) {
	ast.WalkTerms(module, func(term *ast.Term) bool {
		if s, ok := term.Value.(ast.String); ok && v[string(s)] == nil {
			v[string(s)] = ast.NewTerm(s)
		}
		return false
	})
}

// ParseValue reads a JSON text as the Rego value it stands for: strict as rawjson is, numbers exact. The value keeps text, which must
// not be changed afterwards.
func ParseValue(text []byte) (Value, error) {
	term, err := vocabulary(nil).parse(text, elsewhere)
	if err != nil {
		return nil, err
	}
	return term.Value, nil
}

// parse reads a text that is at a place; managed fields below are left out, but read so far as to know that they are JSON.
func (v vocabulary) parse(text []byte, at place) (*ast.Term, error) {
	b := builder{Decoder: rawjson.NewDecoder(text), known: v}
	term, err := b.term(at)
	if err == nil {
		err = b.End()
	}
	if err != nil {
		return nil, fmt.Errorf("the JSON cannot be read: %w", err)
	}
	return term, nil
}

// builder makes terms straight from the bytes: by way of Go's maps it takes twice as long. What is built is garbage together, so it is
// allocated together, in slabs.
type builder struct {
	*rawjson.Decoder
	known   vocabulary
	members [][2]*ast.Term // of the objects being read, innermost last
	slab    []ast.Term
}

// slabSize is about the terms of a small object; larger ones take several.
const slabSize = 128

func (b *builder) new(value ast.Value) *ast.Term {
	if len(b.slab) == 0 {
		b.slab = make([]ast.Term, slabSize)
	}
	term := &b.slab[0]
	b.slab = b.slab[1:]
	term.Value = value
	return term
}

func (b *builder) text(s []byte) *ast.Term {
	if term, ok := b.known[string(s)]; ok {
		return term
	}
	// The bytes are part of the text or a copy of their own, and nobody changes either.
	return b.new(ast.String(unsafe.String(unsafe.SliceData(s), len(s)))) //nolint:gosec // a copy of every text costs a tenth of the reading
}

func (b *builder) term(at place) (*ast.Term, error) {
	switch b.Kind() {
	case rawjson.Object:
		return b.object(at)
	case rawjson.Array:
		elements := make([]*ast.Term, 0, 4)
		err := b.Array(func() error {
			element, err := b.term(elsewhere)
			elements = append(elements, element)
			return err
		})
		if err != nil {
			return nil, err
		}
		return b.new(ast.NewArray(elements...)), nil
	case rawjson.String:
		s, err := b.Text()
		return b.text(s), err
	case rawjson.Number:
		n, err := b.Number()
		if term := ast.InternedIntNumberTermFromString(string(n)); term != nil {
			return term, err
		}
		return b.new(ast.Number(n)), err
	case rawjson.Bool:
		v, err := b.Bool()
		return ast.InternedTerm(v), err
	case rawjson.Null:
		return ast.InternedNullTerm, b.Null()
	default:
		return nil, b.Skip()
	}
}

func (b *builder) object(at place) (*ast.Term, error) {
	base := len(b.members)
	err := b.Object(func(name []byte) error {
		below := at.below(name)
		if below == atManagedFields {
			return b.Skip()
		}
		key := b.text(name)
		value, err := b.term(below)
		b.members = append(b.members, [2]*ast.Term{key, value})
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(b.members) == base { // as most of the managed fields are, which are half of many an object
		return ast.InternedEmptyObject, nil
	}
	object := ast.NewObject(b.members[base:]...)
	b.members = b.members[:base]
	return b.new(object), nil
}
