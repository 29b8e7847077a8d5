package policies

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/portcullis-dev/portcullis/review"
)

// sparingNamespace spares what is in one namespace.
type sparingNamespace string

func (s sparingNamespace) Spares(req *review.Request) bool { return req.Target.Inside() == string(s) }

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

// What lies beside policies does not end with a fault behind which it may be.
func TestHeldDocuments(t *testing.T) {
	named := func(file, name string) Document {
		object := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "X", "metadata": map[string]any{"name": name}}}
		return Document{File: file, Object: object}
	}
	before := []Document{named("a.yaml", "a"), named("b.yaml", "b")}
	for name, c := range map[string]struct {
		now    []Document
		faults Faults
		want   string
	}{
		"without a fault":       {before[:1], nil, "a@a.yaml "},
		"its file's":            {before[:1], Faults{{File: "b.yaml"}}, "a@a.yaml b@b.yaml "},
		"another file's":        {before[:1], Faults{{File: "a.yaml"}}, "a@a.yaml "},
		"of everything":         {nil, Faults{{}}, "a@a.yaml b@b.yaml "},
		"of a policy":           {nil, Faults{{File: "a.yaml", Policy: "p"}}, ""},
		"of an exception":       {nil, Faults{{File: "a.yaml", Exception: "e"}}, ""},
		"it is in another file": {[]Document{named("c.yaml", "b")}, Faults{{File: "b.yaml"}}, "b@c.yaml "},
	} {
		got := ""
		for _, d := range held(c.now, before, c.faults) {
			got += d.Object.GetName() + "@" + d.File + " "
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}
