package fields

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// fill gives every field of a value something, as deep as depth, so that its JSON has it.
func fill(v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Pointer:
		if depth > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), depth-1)
		}
	case reflect.Struct:
		if marshals(v.Type()) {
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i), depth-1)
			}
		}
	case reflect.Slice:
		if depth > 0 && !marshals(v.Type()) {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			fill(v.Index(0), depth-1)
		}
	case reflect.Map:
		if depth > 0 {
			key, element := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			key.SetString("key")
			fill(element, depth-1)
			v.Set(reflect.MakeMap(v.Type()))
			v.SetMapIndex(key, element)
		}
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(1)
	case reflect.Float32, reflect.Float64:
		v.SetFloat(1)
	default: // no kind has any other
	}
}

// has returns an error if there is something in a JSON value that is not in the type.
func has(t Type, json any, path string) error {
	if t.unknown() {
		return nil
	}
	switch v := json.(type) {
	case map[string]any:
		for name, member := range v {
			next, ok := t.Field(name)
			if !ok {
				return fmt.Errorf("%s.%s is not known", path, name)
			}
			if err := has(next, member, path+"."+name); err != nil {
				return err
			}
		}
	case []any:
		if values := t.values(); len(values) != 1 || !isList(values[0].of) {
			return fmt.Errorf("%s is no list", path)
		}
		return has(t.each(), v[0], path+"[_]")
	}
	return nil
}

// Whatever the API server can write of a kind is known: a policy that reads it is not refused. And what is known is what it writes.
func TestEveryFieldOfEveryKindIsKnown(t *testing.T) {
	kinds, names := 0, 0
	known(func(gvk schema.GroupVersionKind, of reflect.Type) {
		kinds++
		object := reflect.New(of)
		fill(object.Elem(), 12)
		text, err := json.Marshal(object.Interface())
		if err != nil {
			t.Errorf("%s: %v", gvk, err)
			return
		}
		var decoded map[string]any
		if err := json.Unmarshal(text, &decoded); err != nil {
			t.Logf("%s is no object: %v", gvk, err)
			return
		}
		whole := valueOf(of, place{kind: gvk.Kind})
		if err := has(whole, decoded, gvk.String()); err != nil {
			t.Error(err)
		}
		for _, v := range whole.values() {
			for _, name := range v.names() {
				names++
				if _, ok := decoded[name]; !ok {
					t.Errorf("%s: %s is known, and not in its JSON", gvk, name)
				}
			}
		}
	})
	if kinds < 500 || names < 2000 {
		t.Errorf("only %d kinds with %d fields", kinds, names)
	}
}

// Kinds that hold themselves, as a CRD's schema does, end nowhere.
func TestKindsThatHoldThemselves(t *testing.T) {
	at := Objects([]Resource{{Group: "apiextensions.k8s.io", Resource: "customresourcedefinitions"}})
	path := "spec.versions.[].schema.openAPIV3Schema" + strings.Repeat(".properties.x", 1000) + ".type"
	for name := range strings.SplitSeq(path, ".") {
		if name == "[]" {
			at = at.each()
			continue
		}
		next, ok := at.Field(name)
		if !ok || next.unknown() {
			t.Fatalf("%s is not known", name)
		}
		at = next
	}
}

func FuzzField(f *testing.F) {
	f.Add("pods", "", "spec.containers.[].image")
	f.Add("customresourcedefinitions", "apiextensions.k8s.io", "spec.versions.[].[].[].[].x")
	f.Fuzz(func(_ *testing.T, resource, group, path string) {
		at := Objects([]Resource{{Group: group, Resource: resource}})
		for name := range strings.SplitSeq(path, ".") {
			if name == "[]" {
				at = at.each()
			} else if next, ok := at.Field(name); ok {
				at = next
			} else {
				_ = never(at, name)
				return
			}
		}
	})
}
