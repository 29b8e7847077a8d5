package policies

import (
	"encoding/json"
	"fmt"

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

func (v vocabulary) text(s []byte) *ast.Term {
	if term, ok := v[string(s)]; ok {
		return term
	}
	return ast.InternedTerm(string(s))
}

// ParseValue reads a JSON text as the Rego value it stands for: strict as rawjson is, numbers exact.
func ParseValue(text []byte) (Value, error) {
	term, err := vocabulary(nil).parse(text)
	if err != nil {
		return nil, err
	}
	return term.Value, nil
}

func (v vocabulary) parse(text []byte) (*ast.Term, error) {
	d := rawjson.NewDecoder(text)
	term, err := v.term(d)
	if err == nil {
		err = d.End()
	}
	if err != nil {
		return nil, fmt.Errorf("the JSON cannot be read: %w", err)
	}
	return term, nil
}

// term reads the next value straight from the bytes: through Go's maps it takes twice as long.
func (v vocabulary) term(d *rawjson.Decoder) (*ast.Term, error) {
	switch d.Kind() {
	case rawjson.Object:
		members := make([][2]*ast.Term, 0, 8)
		err := d.Object(func(name []byte) error {
			key := v.text(name)
			value, err := v.term(d)
			members = append(members, [2]*ast.Term{key, value})
			return err
		})
		if err != nil {
			return nil, err
		}
		return ast.NewTerm(ast.NewObject(members...)), nil
	case rawjson.Array:
		elements := make([]*ast.Term, 0, 4)
		err := d.Array(func() error {
			element, err := v.term(d)
			elements = append(elements, element)
			return err
		})
		if err != nil {
			return nil, err
		}
		return ast.NewTerm(ast.NewArray(elements...)), nil
	case rawjson.String:
		s, err := d.Text()
		return v.text(s), err
	case rawjson.Number:
		n, err := d.Number()
		if term := ast.InternedIntNumberTermFromString(string(n)); term != nil {
			return term, err
		}
		return ast.NumberTerm(json.Number(n)), err
	case rawjson.Bool:
		b, err := d.Bool()
		return ast.InternedTerm(b), err
	case rawjson.Null:
		return ast.InternedNullTerm, d.Null()
	default:
		return nil, d.Skip()
	}
}
