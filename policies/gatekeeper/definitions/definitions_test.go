package definitions

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/install"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

func all(t *testing.T) []*apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	out, err := All()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAnAPIServerTakesThem(t *testing.T) {
	scheme := runtime.NewScheme()
	install.Install(scheme)
	var names []string
	for _, crd := range all(t) {
		names = append(names, crd.Name)
		stored := crd.Spec.Versions[0].Name
		var internal apiextensions.CustomResourceDefinition
		scheme.Default(crd)
		if err := scheme.Convert(crd, &internal, nil); err != nil {
			t.Fatal(err)
		}
		internal.Status.StoredVersions = []string{stored}
		for _, wrong := range validation.ValidateCustomResourceDefinition(t.Context(), &internal) {
			t.Errorf("%s: %v", crd.Name, wrong)
		}
	}
	if !slices.Equal(names, Names()) {
		t.Errorf("they are called %v, and said to be called %v", names, Names())
	}
}

// Whatever is written for Gatekeeper, and read here, an API server with these definitions keeps as it is.
func TestNothingIsPruned(t *testing.T) {
	archive, err := txtar.ParseFile(filepath.Join("testdata", "objects.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, file := range archive.Files {
		var object map[string]any
		if err := yaml.Unmarshal(file.Data, &object); err != nil {
			t.Fatal(err)
		}
		apiVersion, _ := object["apiVersion"].(string)
		group, version, _ := strings.Cut(apiVersion, "/")
		found := false
		for _, crd := range all(t) {
			for _, v := range crd.Spec.Versions {
				if crd.Spec.Group != group || crd.Spec.Names.Kind != object["kind"] || v.Name != version {
					continue
				}
				found, seen[crd.Name] = true, true
				if lost := pruned(t, v.Schema.OpenAPIV3Schema, object); len(lost) > 0 {
					t.Errorf("%s: the definition of %s %s has no %v", file.Name, object["kind"], version, lost)
				}
			}
		}
		if !found {
			t.Errorf("%s: nothing defines %s %v", file.Name, apiVersion, object["kind"])
		}
	}
	if missing := len(Names()) - len(seen); missing > 0 {
		t.Errorf("%d kinds have no object; there are %v", missing, slices.Sorted(maps.Keys(seen)))
	}
	unknown := map[string]any{"spec": map[string]any{"locatoin": "spec"}}
	if lost := pruned(t, all(t)[3].Spec.Versions[0].Schema.OpenAPIV3Schema, unknown); len(lost) != 1 {
		t.Errorf("a field that there is not is kept, or others are lost: %v", lost)
	}
}

func pruned(t *testing.T, schema *apiextensionsv1.JSONSchemaProps, object map[string]any) []string {
	t.Helper()
	var internal apiextensions.JSONSchemaProps
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(schema, &internal, nil); err != nil {
		t.Fatal(err)
	}
	structural, err := structuralschema.NewStructural(&internal)
	if err != nil {
		t.Fatal(err)
	}
	content := runtime.DeepCopyJSON(object)
	return pruning.PruneWithOptions(content, structural, true, structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
}
