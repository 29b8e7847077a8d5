// Package fields knows which fields reviews and the objects of Kubernetes' built-in kinds have, and holds policies to them: what a policy
// reads of an object that can never have it would silently be undefined.
package fields

import (
	"encoding/json"
	"iter"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Type is what is known of a value: that it is one of several things or, for the zero Type, nothing. A Type is never changed.
type Type struct{ may []shape }

// shape is one thing that a value may be. Shapes are comparable.
type shape interface {
	// field is the value under a name; it returns false if there never is one.
	field(name string) (Type, bool)
	// each is the value under some key; it returns false if there never is one.
	each() (Type, bool)
}

// maxShapes bounds what is kept of a value that may be many things. The containers of all built-in workloads are three dozen.
const maxShapes = 128

// union is what a value is that has one of the types.
func union(types ...Type) Type {
	var out Type
	for _, t := range types {
		if t.unknown() {
			return Type{}
		}
		for _, s := range t.may {
			if !slices.Contains(out.may, s) {
				out.may = append(out.may, s)
			}
		}
	}
	if len(out.may) > maxShapes {
		return Type{}
	}
	return out
}

func typeOf(s shape) Type { return Type{[]shape{s}} }

func (t Type) unknown() bool { return len(t.may) == 0 }

// Field is the value under a name. It returns false if nothing that the value may be has such a field, and something that it may be is
// Kubernetes'; of what Rego makes itself OPA's compiler tells.
func (t Type) Field(name string) (Type, bool) {
	var found []Type
	for _, s := range t.may {
		if one, ok := s.field(name); ok {
			found = append(found, one)
		}
	}
	return union(found...), len(found) > 0 || len(t.values()) == 0
}

// each is the value under a key that is not known.
func (t Type) each() Type {
	var found []Type
	for _, s := range t.may {
		if one, ok := s.each(); ok {
			found = append(found, one)
		}
	}
	return union(found...)
}

// item is the value at a place of an array.
func (t Type) item(i int) Type {
	var found []Type
	for _, s := range t.may {
		if array, ok := s.(*array); ok {
			if i < len(array.items) {
				found = append(found, array.items[i])
			}
		} else if one, ok := s.each(); ok {
			found = append(found, one)
		}
	}
	return union(found...)
}

// under is the value under a key of that type. Who tries fields of Kubernetes that are not known may well try those of later releases.
func (t Type) under(key Type) Type {
	var found []Type
	for _, s := range key.may {
		name, ok := s.(text)
		if !ok {
			return t.each()
		}
		before := len(found)
		for _, s := range t.may {
			if one, ok := s.field(string(name)); ok {
				found = append(found, one)
			}
		}
		if len(found) == before && len(t.values()) > 0 {
			return Type{}
		}
	}
	if key.unknown() {
		return t.each()
	}
	return union(found...)
}

// text returns the one text that the value is, if it is one.
func (t Type) text() (string, bool) {
	if len(t.may) != 1 {
		return "", false
	}
	one, ok := t.may[0].(text)
	return string(one), ok
}

// values lists those of Kubernetes' values that the value may be.
func (t Type) values() (out []value) {
	for _, s := range t.may {
		if v, ok := s.(value); ok {
			out = append(out, v)
		}
	}
	return out
}

// value is one of Kubernetes', with the Go type of which its JSON is made, and where it is.
type value struct {
	of    reflect.Type
	place place
}

// place is where a value is: in an object of a kind, or in a review.
type place struct{ kind, path string }

func (p place) String() string {
	switch {
	case p.kind == "":
		return p.path
	case p.path == "":
		return p.kind
	}
	return p.kind + "'s " + p.path
}

func (p place) field(name string) place {
	return place{p.kind, strings.TrimPrefix(p.path+"."+name, ".")}
}

// valueOf is the type of what is made of a Go type.
func valueOf(of reflect.Type, at place) Type {
	for of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	if isAny(of) {
		return Type{}
	}
	return typeOf(value{of, at})
}

// scalars are the types that write their JSON themselves and of which it is a text or a number.
func scalars() []reflect.Type {
	return []reflect.Type{
		reflect.TypeFor[metav1.Time](), reflect.TypeFor[metav1.MicroTime](), reflect.TypeFor[metav1.Duration](),
		reflect.TypeFor[resource.Quantity](), reflect.TypeFor[intstr.IntOrString](),
	}
}

// isAny reports whether nothing is known of the JSON of a type: RawExtension, FieldsV1, JSON.
func isAny(of reflect.Type) bool {
	return of.Kind() == reflect.Interface || marshals(of) && !slices.Contains(scalars(), of)
}

func marshals(of reflect.Type) bool {
	marshaler := reflect.TypeFor[json.Marshaler]()
	return of.Implements(marshaler) || reflect.PointerTo(of).Implements(marshaler)
}

// isStruct, isMap and isList are what a type is in JSON; anything else is a text, a number or a boolean.
func isStruct(of reflect.Type) bool { return of.Kind() == reflect.Struct && !marshals(of) }

func isMap(of reflect.Type) bool { return of.Kind() == reflect.Map }

func isList(of reflect.Type) bool {
	return (of.Kind() == reflect.Slice || of.Kind() == reflect.Array) && of.Elem().Kind() != reflect.Uint8
}

func (v value) field(name string) (Type, bool) {
	switch {
	case isMap(v.of):
		return valueOf(v.of.Elem(), v.place.field(name)), true
	case isStruct(v.of):
		for member, of := range members(v.of) {
			if member == name {
				return valueOf(of, v.place.field(name)), true
			}
		}
	}
	return Type{}, false
}

func (v value) each() (Type, bool) {
	switch {
	case isMap(v.of), isList(v.of):
		return valueOf(v.of.Elem(), place{v.place.kind, v.place.path + "[_]"}), true
	case isStruct(v.of): // who reads whatever fields there are reads those of later releases
		return Type{}, true
	}
	return Type{}, false
}

// names lists the fields of a value.
func (v value) names() (out []string) {
	if isStruct(v.of) {
		for name := range members(v.of) {
			out = append(out, name)
		}
	}
	return out
}

// members are the fields of a struct, by the names they have in JSON.
func members(of reflect.Type) iter.Seq2[string, reflect.Type] {
	return func(yield func(string, reflect.Type) bool) { eachMember(of, yield) }
}

func eachMember(of reflect.Type, yield func(string, reflect.Type) bool) bool {
	for field := range of.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		more := true
		switch {
		case name == "-":
		case field.Anonymous && name == "" && structOf(field.Type) != nil:
			more = eachMember(structOf(field.Type), yield)
		case !field.IsExported():
		case name == "":
			more = yield(field.Name, field.Type)
		default:
			more = yield(name, field.Type)
		}
		if !more {
			return false
		}
	}
	return true
}

// structOf is the struct that a type is or points to, or nil.
func structOf(of reflect.Type) reflect.Type {
	if of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	if of.Kind() != reflect.Struct {
		return nil
	}
	return of
}
