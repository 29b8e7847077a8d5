package cmd

import (
	"testing"

	"github.com/portcullis-dev/portcullis/policies/native"
)

// A policy of the library is shown with its tests, however it is put in force.
func TestThePolicysTestsComeWithIt(t *testing.T) {
	reader, err := NewReader()
	if err != nil {
		t.Fatal(err)
	}
	used, faults := reader.Use("pods.privileged")
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	named, faults := reader.Read([]native.File{{Name: "a.yaml", Text: []byte("apiVersion: portcullis.dev/v1alpha1\nkind: Policy\nmetadata: {name: a}\nspec: {use: pods.privileged}\n")}})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	for _, spec := range append(used, named...) {
		if len(spec.Tests) != 1 || spec.Tests[0].File != "library/pods/privileged/rule_test.rego" || len(spec.Source) != 1 {
			t.Errorf("%s has %d tests and %d sources", spec.ID, len(spec.Tests), len(spec.Source))
		}
	}
}
