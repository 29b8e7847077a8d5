package policies

import (
	"testing"

	"github.com/portcullis-dev/portcullis/review"
)

// sparingNamespace spares what is in one namespace.
type sparingNamespace string

func (s sparingNamespace) Spares(req *review.Request, _ func() (Namespace, error)) bool {
	return req.Target.Inside() == string(s)
}

// What is spared is spared by policies of Gatekeeper's convention alone, with what it implies.
func TestSparing(t *testing.T) {
	const deployment = `"kind":{"group":"apps","version":"v1","kind":"Deployment"},"resource":{"group":"apps","version":"v1","resource":"deployments"},` +
		`"namespace":"shop","operation":"CREATE","object":{"apiVersion":"apps/v1","kind":"Deployment"}`
	expander := &expanding{makes: []Implied{{By: "pods", Object: map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "web", "namespace": "elsewhere"},
	}}}}
	specs := []Spec{
		specOf(t, "native", "package native\ndeny contains \"native\" if true"),
		violationOf(t, "theirs", "package template\nviolation[{\"msg\": input.review.object.kind}] { true }"),
	}
	for spared, want := range map[sparingNamespace]string{
		"shop":      "deny [native (deny): native]",
		"other":     "deny [native (deny): native; theirs (deny): Deployment; theirs (deny): [Implied by pods] Pod]",
		"elsewhere": "deny [native (deny): native; theirs (deny): Deployment; theirs (deny): [Implied by pods] Pod]",
	} {
		set, err := Compile(t.Context(), specs, WithExpander(expander), WithSparing(spared))
		if err != nil {
			t.Fatal(err)
		}
		if got := verdict(t, set, admissionOf(t, deployment)); got != want {
			t.Errorf("sparing %s\ngot  %s\nwant %s", spared, got, want)
		}
	}
}
