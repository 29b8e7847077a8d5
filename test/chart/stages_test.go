package chart

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/portcullis-dev/portcullis/cmd"
	"github.com/portcullis-dev/portcullis/policies/library"
	"github.com/portcullis-dev/portcullis/review"
)

// The notes know which policies do nothing until the API server was started to ask about them.
func TestTheChartKnowsTheStages(t *testing.T) {
	reader, err := cmd.NewReader()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]review.Stage{}
	for _, name := range library.Names() {
		d, err := reader.Describe(name)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(d.Stages, review.Validate) && !slices.Contains(d.Stages, review.Mutate) {
			all[name] = d.Stages
		}
	}
	want, err := yaml.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "charts", "portcullis", "files", "library-stages.yaml")
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("files/library-stages.yaml is not what the METADATA of the library says; run `make chart UPDATE=1`: %v", err)
	}
}
