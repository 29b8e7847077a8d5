package inventory

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Object is one object as the inventory keeps it. Namespace is empty for kinds without one.
type Object struct {
	Namespace, Name string
	Value           ast.Value
}

// Builder makes the values of one kind's objects, pruned to what is read. It is for one goroutine.
type Builder struct {
	secrets bool
	fields  *Fields
	keys    map[string]*ast.Term
}

// maxKeys bounds the names a Builder remembers: those of a kind's own fields are few hundred, those of labels without end.
const maxKeys = 1024

// NewBuilder returns a Builder that keeps of each object of the kind what fields say, and of Secrets never what they hold.
func NewBuilder(kind Kind, fields *Fields) *Builder {
	return &Builder{secrets: kind == Secrets || kind == syncedSecrets, fields: fields, keys: map[string]*ast.Term{}}
}

// place is where in an object the builder is, as far as that matters for the bookkeeping, which is left out unless it is named.
type place int

const (
	elsewhere place = iota
	atObject
	atMetadata
	atAnnotations
)

func (p place) below(name string) place {
	switch {
	case p == atObject && name == "metadata":
		return atMetadata
	case p == atMetadata && name == "annotations":
		return atAnnotations
	}
	return elsewhere
}

func (p place) leavesOut(name string) bool {
	return p == atMetadata && name == managedFields || p == atAnnotations && name == lastApplied
}

// Build makes the value of an object as Kubernetes' clients decode it: of maps, slices, strings, booleans, numbers and nil.
func (b *Builder) Build(object map[string]any) (ast.Value, error) {
	if b.secrets {
		object = masked(object)
	}
	return b.object(object, b.fields, atObject)
}

func (b *Builder) value(value any, f *Fields, at place) (ast.Value, error) {
	switch v := value.(type) {
	case map[string]any:
		return b.object(v, f, at)
	case []any:
		return b.array(v, f)
	case string:
		return ast.String(v), nil
	case bool:
		return ast.Boolean(v), nil
	case nil:
		return ast.Null{}, nil
	case int64:
		return ast.Number(strconv.FormatInt(v, 10)), nil
	case float64:
		text, err := json.Marshal(v)
		return ast.Number(text), err
	case json.Number:
		return ast.Number(v), nil
	}
	return nil, fmt.Errorf("a %T is not a JSON value", value)
}

func (b *Builder) object(object map[string]any, f *Fields, at place) (ast.Value, error) {
	members := make([][2]*ast.Term, 0, len(object))
	for name, value := range object {
		if at.leavesOut(name) && f.members[name] == nil {
			continue
		}
		kept := f.below(name)
		if kept == nil {
			continue
		}
		built, err := b.value(value, kept, at.below(name))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		members = append(members, [2]*ast.Term{b.key(name), {Value: built}})
	}
	return ast.NewObject(members...), nil
}

// array keeps every element, if only to be there, so that positions stay what they are; of one nobody looks into it keeps none.
func (b *Builder) array(array []any, f *Fields) (ast.Value, error) {
	kept := f.any
	if f.whole {
		kept = f
	}
	if kept == nil {
		return ast.NewArray(), nil
	}
	elements := make([]*ast.Term, len(array))
	for i, value := range array {
		built, err := b.value(value, kept, elsewhere)
		if err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
		elements[i] = ast.NewTerm(built)
	}
	return ast.NewArray(elements...), nil
}

func (b *Builder) key(name string) *ast.Term {
	if term := b.keys[name]; term != nil {
		return term
	}
	term := ast.StringTerm(name)
	if len(b.keys) < maxKeys {
		b.keys[name] = term
	}
	return term
}
