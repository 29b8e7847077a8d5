package cmd

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/portcullis-dev/portcullis/policies/gatekeeper/match"
	"github.com/portcullis-dev/portcullis/review"
)

// A Pod of a ReplicaSet has no name when it is changed, and is matched by what its name is made of.
func TestMutatorsMatchByGenerateName(t *testing.T) {
	m, err := match.Criteria{Name: "web-*"}.Compile()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"web-": true, "db-": false} {
		pod := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"generateName": name}}}
		if holds, err := m.Holds(surroundings{}.about(&review.Request{}, pod)); err != nil || holds != want {
			t.Errorf("%s: %v, %v", name, holds, err)
		}
	}
}
