package library

import (
	"encoding/json"
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
var noImages = map[string]string{
	"Container.args":                              "is run in the image",
	"Container.command":                           "is run in the image",
	"Container.imagePullPolicy":                   "says when to pull the image",
	"Container.workingDir":                        "is a directory of the image",
	"ContainerImage.names":                        "is what a node reports to have",
	"ContainerStatus.image":                       "is what a node reports to run",
	"ContainerStatus.imageID":                     "is what a node reports to run",
	"EphemeralContainerCommon.args":               "is run in the image",
	"EphemeralContainerCommon.command":            "is run in the image",
	"EphemeralContainerCommon.imagePullPolicy":    "says when to pull the image",
	"EphemeralContainerCommon.workingDir":         "is a directory of the image",
	"ImageVolumeSource.pullPolicy":                "says when to pull the image",
	"ImageVolumeStatus.imageRef":                  "is what a node reports to have mounted",
	"MutatingWebhook.name":                        "has the name of a webhook about images for an example",
	"NodeSystemInfo.osImage":                      "is the operating system of a node",
	"PodStatus.phase":                             "says of a Pod that its images are being pulled",
	"RBDPersistentVolumeSource.image":             "is a block device of Ceph, which runs nothing",
	"RBDVolumeSource.image":                       "is a block device of Ceph, which runs nothing",
	"ValidatingWebhook.name":                      "has the name of a webhook about images for an example",
	"VolumeMount.bindMountOptions":                "says how other volumes are mounted than those of images",
	"WindowsSecurityContextOptions.runAsUserName": "is by default the user of the image",
}

// A policy on images is worth as much as kubernetes.images finds. What a built-in kind has is known from its Go types, of which its OpenAPI
// schema is made, documentation included: every text among its fields that has to do with images is set in turn, in every kind, and must be
// found at its path, unless it stands above.
func TestNoImageIsMissed(t *testing.T) {
	query, err := rego.New(append(helpers(t),
		rego.Query("paths := [{image.image: image.path} | some image in data.portcullis.kubernetes.images]"), rego.Capabilities(language.Capabilities()),
	)...).PrepareForEval(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found, met := 0, map[string]bool{}
	for gvk, of := range scheme.Scheme.AllKnownTypes() {
		if _, ok := of.FieldByName("ObjectMeta"); !ok {
			continue // lists, options and the like: no object that is stored
		}
		w := &imageWalk{}
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
			want := []any{map[string]any{"registry.example.com/app:1": field.String()}}
			if got := results[0].Bindings["paths"]; !reflect.DeepEqual(got, any(want)) {
				t.Errorf("%s %s has a field %s, which speaks of images, and with an image in it kubernetes.images has %v: have kubernetes.rego find it there,"+
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

// imageField is a field with a text in it.
type imageField struct {
	name string // Container.imagePullPolicy
	path []fieldStep
}

// fieldStep is a field, and whether it is a list or a map.
type fieldStep struct {
	name        string
	list, keyed bool
}

// String is the path as findings have it.
func (p imageField) String() string {
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
func (p imageField) object(text string) any {
	var value any = text
	for _, s := range slices.Backward(p.path) {
		switch {
		case s.list:
			value = []any{value}
		case s.keyed:
			value = map[string]any{"key": value}
		}
		value = map[string]any{s.name: value}
	}
	return value
}

// imageWalk collects the places that speak of images.
type imageWalk struct {
	fields []imageField
	inside []reflect.Type
}

func (w *imageWalk) into(of reflect.Type, path []fieldStep) {
	if slices.Contains(w.inside, of) {
		return
	}
	w.inside = append(w.inside, of)
	defer func() { w.inside = w.inside[:len(w.inside)-1] }()
	var docs map[string]string
	if documented, ok := reflect.TypeAssert[interface{ SwaggerDoc() map[string]string }](reflect.Zero(of)); ok {
		docs = documented.SwaggerDoc()
	}
	for field := range of.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.Type == reflect.TypeFor[metav1.ObjectMeta]() || field.Type == reflect.TypeFor[metav1.TypeMeta]() || name == "-" {
			continue
		}
		if field.Anonymous && name == "" {
			w.into(field.Type, path)
			continue
		}
		s, value := fieldStep{name: name}, field.Type
		for value.Kind() == reflect.Pointer || value.Kind() == reflect.Slice || value.Kind() == reflect.Map {
			s.list, s.keyed = s.list || value.Kind() == reflect.Slice, s.keyed || value.Kind() == reflect.Map
			value = value.Elem()
		}
		at := append(slices.Clone(path), s)
		if value.Kind() == reflect.Struct && !value.Implements(reflect.TypeFor[json.Marshaler]()) { // as times and quantities do
			w.into(value, at)
		}
		if value.Kind() == reflect.String && (mentions(name) || mentions(docs[name]) || mentions(of.Name())) {
			w.fields = append(w.fields, imageField{name: of.Name() + "." + name, path: at})
		}
	}
}

func mentions(text string) bool {
	text = strings.ToLower(text)
	return strings.Contains(text, "image") || strings.Contains(text, "artifact")
}
