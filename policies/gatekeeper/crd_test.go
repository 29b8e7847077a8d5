package gatekeeper_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/install"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/portcullis-dev/portcullis/policies/gatekeeper"
)

// The CRD of a kind of constraints is what the file says, and an API server takes it.
func TestCRD(t *testing.T) {
	const file = "testdata/crd.txtar"
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	reading := new(gatekeeper.Reader).Read(t.Context(), split(t, archive.Files[0]))
	if len(reading.Templates) != 1 {
		t.Fatal(reading.Faults)
	}
	crd := reading.Templates[0].CRD()
	got, err := yaml.Marshal(crd)
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("UPDATE") != "" {
		archive.Files[1].Data = got
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if !bytes.Equal(got, archive.Files[1].Data) {
		t.Errorf("got\n%s", got)
	}
	scheme := runtime.NewScheme()
	install.Install(scheme)
	var internal apiextensions.CustomResourceDefinition
	scheme.Default(crd)
	if err := scheme.Convert(crd, &internal, nil); err != nil {
		t.Fatal(err)
	}
	internal.Status.StoredVersions = []string{"v1beta1"}
	for _, wrong := range validation.ValidateCustomResourceDefinition(t.Context(), &internal) {
		t.Error(wrong)
	}
	first := reading.Templates[0].CRD()
	first.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"] = apiextensionsv1.JSONSchemaProps{}
	if again, _ := yaml.Marshal(reading.Templates[0].CRD()); !bytes.Equal(again, got) {
		t.Error("whoever changes the CRD changes the template's")
	}
}
