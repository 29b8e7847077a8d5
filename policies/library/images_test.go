package library

import (
	"cmp"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/rego"
	"k8s.io/client-go/discovery"

	"github.com/portcullis-dev/portcullis/policies/language"
	plane "github.com/portcullis-dev/portcullis/test/cluster"
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
	"EphemeralContainer.args":                     "is run in the image",
	"EphemeralContainer.command":                  "is run in the image",
	"EphemeralContainer.imagePullPolicy":          "says when to pull the image",
	"EphemeralContainer.workingDir":               "is a directory of the image",
	"ImageVolumeSource.pullPolicy":                "says when to pull the image",
	"ImageVolumeStatus.imageRef":                  "is what a node reports to have mounted",
	"MutatingWebhook.name":                        "has the name of a webhook about images for an example",
	"NodeSystemInfo.osImage":                      "is the operating system of a node",
	"PodSecurityContext.supplementalGroupsPolicy": "says whether the groups in the image count",
	"PodStatus.phase":                             "says of a Pod that its images are being pulled",
	"RBDPersistentVolumeSource.image":             "is a block device of Ceph, which runs nothing",
	"RBDVolumeSource.image":                       "is a block device of Ceph, which runs nothing",
	"ValidatingWebhook.name":                      "has the name of a webhook about images for an example",
	"VolumeMount.bindMountOptions":                "says how other volumes are mounted than those of images",
	"WindowsSecurityContextOptions.runAsUserName": "is by default the user of the image",
}

// A policy on images is worth as much as kubernetes.images finds. What kinds an API server has and which fields these have is in its OpenAPI
// documents: every text among them that has to do with images, by its name or its documentation, is set in turn, in every kind, and must be found
// at its path, unless it stands above.
func TestNoImageIsMissed(t *testing.T) {
	query, err := rego.New(append(helpers(t),
		rego.Query("paths := [{image.image: image.path} | some image in data.portcullis.kubernetes.images]"), rego.Capabilities(language.Capabilities()),
	)...).PrepareForEval(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found, met := 0, map[string]bool{}
	kinds := servedKinds(t)
	for _, kind := range []string{"v1 Pod", "apps/v1 Deployment", "apiextensions.k8s.io/v1 CustomResourceDefinition", "apiregistration.k8s.io/v1 APIService"} {
		if !slices.ContainsFunc(kinds, func(k servedKind) bool { return k.String() == kind }) {
			t.Errorf("the API server does not have %s", kind)
		}
	}
	for _, kind := range kinds {
		w := &imageWalk{schemas: kind.schemas}
		w.into(kind.schema, nil)
		for _, field := range w.fields {
			met[field.name] = true
			if _, ok := noImages[field.name]; ok {
				continue
			}
			input := map[string]any{"request": map[string]any{
				"operation": "CREATE",
				"kind":      map[string]any{"group": kind.Group, "version": kind.Version, "kind": kind.Kind},
				"object":    field.object("registry.example.com/app:1"),
			}}
			results, err := query.Eval(t.Context(), rego.EvalInput(input))
			if err != nil || len(results) != 1 {
				t.Fatalf("%d results, %v", len(results), err)
			}
			want := []any{map[string]any{"registry.example.com/app:1": field.String()}}
			if got := results[0].Bindings["paths"]; !reflect.DeepEqual(got, any(want)) {
				t.Errorf("%s has a field %s, which speaks of images, and with an image in it kubernetes.images has %v: have kubernetes.rego find it there,"+
					" or add %q to noImages in images_test.go with the reason why it names no image to run", kind, field, got, field.name)
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

// servedKind is a kind of objects that an API server has, by the name of its schema.
type servedKind struct {
	Group, Version, Kind string

	schema  string
	schemas map[string]*openAPISchema // those of its document
}

func (k servedKind) String() string {
	return strings.TrimPrefix(k.Group+"/"+k.Version, "/") + " " + k.Kind
}

// openAPISchema is the part of a schema that says which fields there are.
type openAPISchema struct {
	Ref         string                    `json:"$ref"`
	AllOf       []openAPISchema           `json:"allOf"`
	Description string                    `json:"description"`
	Type        string                    `json:"type"`
	Format      string                    `json:"format"`
	Properties  map[string]*openAPISchema `json:"properties"`
	Items       *openAPISchema            `json:"items"`
	Additional  *openAPISchema            `json:"additionalProperties"`
	Kinds       []struct {
		Group   string `json:"group"`
		Version string `json:"version"`
		Kind    string `json:"kind"`
	} `json:"x-kubernetes-group-version-kind"`
}

// name is that of the schema to which one refers, or "".
func (s openAPISchema) name() string {
	for _, of := range s.AllOf {
		s.Ref = cmp.Or(s.Ref, of.Ref)
	}
	return strings.TrimPrefix(s.Ref, "#/components/schemas/")
}

const objectMeta = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"

// servedKinds are all that a real API server has of objects with metadata, in every version that it knows.
func servedKinds(t *testing.T) (out []servedKind) {
	t.Helper()
	server := plane.StartT(t, plane.Options{NoControllerManager: true, ExtraArgs: []string{"--runtime-config=api/all=true"}})
	config, err := server.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	paths, err := client.OpenAPIV3().Paths()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		text, err := paths[path].Schema("application/json")
		var document struct {
			Components struct {
				Schemas map[string]*openAPISchema `json:"schemas"`
			} `json:"components"`
		}
		if err == nil {
			err = json.Unmarshal(text, &document)
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, name := range slices.Sorted(maps.Keys(document.Components.Schemas)) {
			schema := document.Components.Schemas[name]
			if metadata := schema.Properties["metadata"]; metadata == nil || metadata.name() != objectMeta {
				continue // of no kind, or of lists, options and the like
			}
			for _, kind := range schema.Kinds {
				out = append(out, servedKind{kind.Group, kind.Version, kind.Kind, name, document.Components.Schemas})
			}
		}
	}
	return out
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
	schemas map[string]*openAPISchema
	fields  []imageField
	inside  []string
}

func (w *imageWalk) into(schema string, path []fieldStep) {
	if slices.Contains(w.inside, schema) || schema == objectMeta {
		return
	}
	w.inside = append(w.inside, schema)
	defer func() { w.inside = w.inside[:len(w.inside)-1] }()
	kind := schema[strings.LastIndexByte(schema, '.')+1:]
	properties := w.schemas[schema].Properties
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if len(path) == 0 && (name == "apiVersion" || name == "kind") {
			continue
		}
		s, value := fieldStep{name: name}, properties[name]
		documented := value.Description
		for value.Items != nil || value.Additional != nil {
			s.list, s.keyed = s.list || value.Items != nil, s.keyed || value.Additional != nil
			value = cmp.Or(value.Items, value.Additional)
		}
		at := append(slices.Clone(path), s)
		if within := value.name(); within != "" {
			w.into(within, at)
			value = w.schemas[within]
		}
		if value.Type == "string" && value.Format == "" && (mentions(name) || mentions(documented) || mentions(kind)) {
			w.fields = append(w.fields, imageField{name: kind + "." + name, path: at})
		}
	}
}

func mentions(text string) bool {
	text = strings.ToLower(text)
	return strings.Contains(text, "image") || strings.Contains(text, "artifact")
}
