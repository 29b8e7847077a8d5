package library

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/rego"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/portcullis-dev/portcullis/policies/language"
)

// noImages are the fields that speak of images, by name or in their documentation, and name none that would be run or mounted: each as
// its type and its name in JSON, with the reason.
var noImages = map[string]string{}

// A policy on images is worth as much as kubernetes.images finds. What a built-in kind has is known from its Go types, of which its OpenAPI
// schema is made, documentation included: every text among its fields that has to do with images is set in turn, in every kind, and must be
// found at its path, unless it stands above.
func TestNoImageIsMissed(t *testing.T) {
	options := []func(*rego.Rego){rego.Query("images := data.portcullis.kubernetes.images"), rego.Capabilities(language.Capabilities())}
	for file, module := range modules(t) {
		if !strings.Contains(file, "/") && !strings.HasSuffix(file, "_test.rego") {
			options = append(options, rego.ParsedModule(module))
		}
	}
	query, err := rego.New(options...).PrepareForEval(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found, met := 0, map[string]bool{}
	for gvk, of := range scheme.Scheme.AllKnownTypes() {
		if _, ok := of.FieldByName("ObjectMeta"); !ok {
			continue // lists, options and the like: no object that is stored
		}
		w := &walk{}
		w.into(of, nil)
		for _, field := range w.fields {
			met[field.name] = true
			if _, ok := noImages[field.name]; ok {
				continue
			}
			input := map[string]any{"request": map[string]any{
				"operation": "CREATE",
				"kind":      map[string]any{"group": gvk.Group, "version": gvk.Version, "kind": gvk.Kind},
				"object":    field.object("registry.example.com/app:1"),
			}}
			results, err := query.Eval(t.Context(), rego.EvalInput(input))
			if err != nil || len(results) != 1 {
				t.Fatalf("%d results, %v", len(results), err)
			}
			want := []any{map[string]any{"image": "registry.example.com/app:1", "path": field.String()}}
			if got := results[0].Bindings["images"]; !reflect.DeepEqual(got, any(want)) {
				t.Errorf("%s %s has a field %s, which speaks of images, and kubernetes.images is %v with an image in it: have kubernetes.rego find it,"+
					" or add %q to noImages in images_test.go with the reason why it names no image to run", gvk.GroupVersion(), gvk.Kind, field, got, field.name)
			}
			found++
		}
	}
	if found < 30 { // at least three of each kind with a Pod template
		t.Errorf("only %d fields with images were tried", found)
	}
	for name := range noImages {
		if !met[name] {
			t.Errorf("no kind has the field %s, or it does not speak of images any more: remove it from noImages in images_test.go", name)
		}
	}
}

// place is a field with a text in it.
type place struct {
	name string // Container.imagePullPolicy
	path []step
}

// step is a field, and whether it is a list or a map.
type step struct {
	name     string
	list, kv bool
}

// String is the path as findings have it.
func (p place) String() string {
	var out strings.Builder
	for i, s := range p.path {
		if i > 0 {
			out.WriteByte('.')
		}
		out.WriteString(s.name)
		if s.list {
			out.WriteString("[0]")
		}
	}
	return out.String()
}

// object has nothing but the text at its place.
func (p place) object(text string) any {
	var value any = text
	for _, s := range slices.Backward(p.path) {
		switch {
		case s.list:
			value = []any{value}
		case s.kv:
			value = map[string]any{"key": value}
		}
		value = map[string]any{s.name: value}
	}
	return value
}

// walk collects the places that speak of images.
type walk struct {
	fields []place
	inside []reflect.Type
}

func (w *walk) into(of reflect.Type, path []step) {
	if slices.Contains(w.inside, of) {
		return
	}
	w.inside = append(w.inside, of)
	defer func() { w.inside = w.inside[:len(w.inside)-1] }()
	var docs map[string]string
	if documented, ok := reflect.Zero(of).Interface().(interface{ SwaggerDoc() map[string]string }); ok {
		docs = documented.SwaggerDoc()
	}
	for i := range of.NumField() {
		field := of.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.Type == reflect.TypeFor[metav1.ObjectMeta]() || field.Type == reflect.TypeFor[metav1.TypeMeta]() || name == "-" {
			continue
		}
		if field.Anonymous && name == "" {
			w.inside = w.inside[:len(w.inside)-1]
			w.into(field.Type, path)
			w.inside = append(w.inside, of)
			continue
		}
		s, value := step{name: name}, field.Type
		for {
			switch value.Kind() {
			case reflect.Pointer:
				value = value.Elem()
				continue
			case reflect.Slice:
				s.list, value = true, value.Elem()
				continue
			case reflect.Map:
				s.kv, value = true, value.Elem()
				continue
			}
			break
		}
		at := append(slices.Clone(path), s)
		switch value.Kind() {
		case reflect.Struct:
			w.into(value, at)
		case reflect.String:
			if mentions(name) || mentions(docs[name]) || mentions(of.Name()) {
				w.fields = append(w.fields, place{name: fmt.Sprintf("%s.%s", of.Name(), name), path: at})
			}
		}
	}
}

func mentions(text string) bool {
	text = strings.ToLower(text)
	return strings.Contains(text, "image") || strings.Contains(text, "artifact")
}
