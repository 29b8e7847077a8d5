package native

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/portcullis-dev/portcullis/policies/documents"
	"github.com/portcullis-dev/portcullis/policies/spelling"
	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
)

// decode reads text, the same as JSON, and refuses keys that into does not have, in any other spelling of the case too. Its errors
// begin with file and row.
func (k keys) decode(text []byte, into any) error {
	if k.node == nil {
		return fmt.Errorf("%s:%d: %s is not YAML", k.file, k.row, called(k.name))
	}
	if err := k.unknown(reflect.TypeOf(into)); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields() // finds those that YAML's merge keys bring
	err := d.Decode(into)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return k.wrongType(wrong)
	}
	if err != nil {
		return fmt.Errorf("%s: %s: %s", k.place(k.node), called(k.name), strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// unknown returns an error for the first key that values of type t do not have.
func (k keys) unknown(t reflect.Type) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if k.node == nil || reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return nil
	}
	switch {
	case t.Kind() == reflect.Slice && k.node.Kind == yaml.SequenceNode:
		for i := range k.node.Content {
			if err := k.below(strconv.Itoa(i)).unknown(t.Elem()); err != nil {
				return err
			}
		}
	case t.Kind() == reflect.Struct:
		known := fields(t)
		for _, key := range k.members() {
			name := documents.Resolved(key).Value
			if field, ok := known[name]; ok {
				if err := k.below(name).unknown(field); err != nil {
					return err
				}
			} else if key.Tag != "!!merge" {
				return fmt.Errorf("%s: %s", k.place(key), notKnown(k.name, name, known))
			}
		}
	}
	return nil
}

// fields returns the keys by which encoding/json knows a struct's fields, and their types.
func fields(t reflect.Type) map[string]reflect.Type {
	out := map[string]reflect.Type{}
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous && name == "":
			maps.Copy(out, fields(field.Type))
		case name != "" && name != "-":
			out[name] = field.Type
		}
	}
	return out
}

func notKnown(parent, key string, known map[string]reflect.Type) string {
	names := slices.Sorted(maps.Keys(known))
	if near := spelling.Nearest(key, names...); near != "" {
		return fmt.Sprintf("%s is not known; did you mean %s?", dotted(parent, key), dotted(parent, near))
	}
	return fmt.Sprintf("%s is not known; the keys of %s are %s", dotted(parent, key), called(parent), spelling.Listed(names, "and"))
}

// wrongType says in words what encoding/json says in Go's types.
func (k keys) wrongType(wrong *json.UnmarshalTypeError) error {
	at, name := k, k.name
	place := k.place(k.node)
	if wrong.Field != "" {
		path := strings.Split(wrong.Field, ".")
		if found, depth := k.find(path); depth > 0 {
			place = found
		}
		for _, key := range path {
			at = at.below(key)
		}
		name = at.name
	}
	// Of an element of a list or a mapping the error has the name of the whole.
	given, list := kindOfJSON(wrong.Value), at.node != nil && at.node.Kind != yaml.ScalarNode
	if entry := ofKind(at.node, given); entry != nil && wrong.Type.Kind() == reflect.String {
		place, name = k.place(entry), "an entry of "+name
	} else if list && wrong.Type.Kind() == reflect.String && given != "a list" && given != "a map" {
		name = "an entry of " + name // spelt in a way that is no number or boolean to everybody, as "no"
	}
	return fmt.Errorf("%s: %s", place, Mistyped(called(name), wrong))
}

// Mistyped says in words what encoding/json says in Go's types, "metadata.name must be a text, not a number; put it in quotes". The name
// is what messages call the value.
func Mistyped(name string, wrong *json.UnmarshalTypeError) string {
	given, wanted := kindOfJSON(wrong.Value), kindOfType(wrong.Type)
	hint := ""
	if wanted == "a text" && (given == "a number" || given == "a boolean") {
		hint = "; put it in quotes"
	}
	return fmt.Sprintf("%s must be %s, not %s%s", name, wanted, given, hint)
}

// ofKind returns the first entry of a list or a mapping that is of the kind, or nil.
func ofKind(node *yaml.Node, kind string) *yaml.Node {
	if node == nil || node.Kind != yaml.SequenceNode && node.Kind != yaml.MappingNode {
		return nil
	}
	for i, entry := range node.Content {
		if node.Kind == yaml.MappingNode && i%2 == 0 {
			continue
		}
		if kindOfNode(documents.Resolved(entry)) == kind {
			return entry
		}
	}
	return nil
}

func kindOfNode(node *yaml.Node) string {
	switch {
	case node.Kind == yaml.SequenceNode:
		return "a list"
	case node.Kind == yaml.MappingNode:
		return "a map"
	case node.Tag == "!!int" || node.Tag == "!!float":
		return "a number"
	case node.Tag == "!!bool":
		return "a boolean"
	}
	return "a text"
}

func kindOfJSON(value string) string {
	kind, _, _ := strings.Cut(value, " ") // "number 1.5"
	switch kind {
	case "array":
		return "a list"
	case "object":
		return "a map"
	case "bool":
		return "a boolean"
	case "string":
		return "a text"
	}
	return "a " + kind
}

func kindOfType(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[v1alpha1.Stages]():
		return "a text or a list of texts"
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.String:
		return "a list of texts"
	case t.Kind() == reflect.Slice:
		return "a list"
	case t.Kind() == reflect.Struct || t.Kind() == reflect.Map:
		return "a map"
	case t.Kind() == reflect.String:
		return "a text"
	case t.Kind() == reflect.Bool:
		return "a boolean"
	}
	return "a number"
}
