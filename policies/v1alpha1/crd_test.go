package v1alpha1

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// maxCRD keeps a CRD small enough for kubectl apply, which writes it into an annotation once more, and for people who read it.
const maxCRD = 60 << 10

func TestTheCRDsAreSmallAndOfTheKindsInTheScheme(t *testing.T) {
	files, err := filepath.Glob("../../charts/portcullis/files/crds/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	if err := AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if len(text) > maxCRD {
			t.Errorf("%s has %d bytes, more than %d", file, len(text), maxCRD)
		}
		var crd apiextensionsv1.CustomResourceDefinition
		if err := yaml.UnmarshalStrict(text, &crd); err != nil {
			t.Fatal(err)
		}
		names := crd.Spec.Names
		if !slices.Contains(names.Categories, "portcullis") || len(names.ShortNames) != 1 || crd.Spec.Versions[0].Subresources.Status == nil {
			t.Errorf("%s: %+v", file, crd.Spec)
		}
		for _, kind := range []string{names.Kind, names.ListKind} {
			if !scheme.Recognizes(GroupVersion().WithKind(kind)) {
				t.Errorf("the scheme does not know %s", kind)
			}
		}
		kinds = append(kinds, names.Kind)
	}
	if got := strings.Join(kinds, " "); got != "Policy PolicyException" {
		t.Error(got)
	}
}

// What the API server fills in is there before METADATA is asked; a default in the schema would win over what the policy's author says.
func TestTheSchemaHasNoDefaultsOfItsOwn(t *testing.T) {
	text, err := os.ReadFile("../../charts/portcullis/files/crds/portcullis.dev_policies.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "default:") {
		t.Error("a default in the schema would win over METADATA; say it in the description")
	}
}
