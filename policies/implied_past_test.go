package policies

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// What was taken out of a Deployment may be a part of the Pod it implies: whoever looks at that has no answer, and never a wrong one.
func TestWhatIsImpliedByAnObjectOfWhichNotAllIsKnown(t *testing.T) {
	const deployment = `"kind":{"group":"apps","version":"v1","kind":"Deployment"},"resource":{"group":"apps","version":"v1","resource":"deployments"},` +
		`"namespace":"shop","operation":"CREATE","object":{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"}}`
	pod := Implied{By: "pods", Object: map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "web-pod"}, "spec": map[string]any{"env": "(erased)"},
	}}
	const env, template = "/request/object/spec/template/spec/env", "/request/object/spec/template"
	for name, c := range map[string]struct {
		looks   string // at the Pod
		unknown []string
		err     error
		want    string
	}{
		"all is known":              {`input.review.object.spec.env == "(erased)"`, nil, nil, "deny known"},
		"it is looked at":           {`input.review.object.spec.env == "secret"`, []string{env}, nil, "deny unknown"},
		"with what it is in":        {`input.review.object.spec.env == "secret"`, []string{template}, nil, "deny unknown"},
		"something else is":         {`input.review.object.metadata.name == "web-pod"`, []string{env}, nil, "deny unknown"}, // of which it is not known whether it is that
		"nothing is looked at":      {`input.review.namespace == "shop"`, []string{env}, nil, "allow "},
		"only metadata is unknown":  {`input.review.object.spec.env == "(erased)"`, []string{"/request/object/metadata/annotations/a"}, nil, "deny known"},
		"another part is unknown":   {`input.review.object.spec.env == "(erased)"`, []string{"/request/userInfo/extra"}, nil, "deny known"},
		"it cannot be made":         {`true`, []string{template}, errors.New("no template"), "deny unknown"},
		"it cannot be made, either": {`true`, nil, errors.New("no template"), "deny known"},
	} {
		t.Run(name, func(t *testing.T) {
			made := pod
			made.Err = c.err
			rego := "package template\nviolation[{\"msg\": \"no\"}] { " + c.looks + " }"
			set, err := Compile(t.Context(), []Spec{violationOf(t, "onpods", rego, func(s *Spec) { s.Match.Kinds = []GroupKind{{"", "Pod"}} })}, WithExpander(&expanding{makes: []Implied{made}}))
			if err != nil {
				t.Fatal(err)
			}
			d, err := set.Review(InThePast(t.Context(), Past{Unknown: c.unknown}), admissionOf(t, deployment))
			if err != nil {
				t.Fatal(err)
			}
			got := d.Verdict.String() + " "
			for _, f := range d.Findings {
				got += map[bool]string{true: "unknown", false: "known"}[f.Unknown]
			}
			if got != c.want {
				t.Errorf("got %q, want %q: %s", got, c.want, strings.Join(strings.Fields(fmt.Sprint(d.Findings)), " "))
			}
		})
	}
}
