package policies

import (
	"context"
	"errors"
	"iter"
	"testing"

	"github.com/portcullis-dev/portcullis/review"
)

// expanding is an Expander that makes the same of every object.
type expanding struct {
	makes []Implied
	asked []string // the namespaces of the objects
}

func (e *expanding) Expands(apiVersion, kind string) bool {
	return apiVersion == "apps/v1" && kind == "Deployment"
}

func (e *expanding) Parents([]GroupKind) []GroupKind { return []GroupKind{{"apps", "Deployment"}} }
func (e *expanding) Revision() string                { return "1" }

func (e *expanding) Expand(_ context.Context, _ *review.Request, namespace string, _ map[string]any) iter.Seq[Implied] {
	e.asked = append(e.asked, namespace)
	return func(yield func(Implied) bool) {
		for _, implied := range e.makes {
			if !yield(implied) {
				return
			}
		}
	}
}

func TestImpliedObjectsAreJudged(t *testing.T) {
	const (
		deployment = `"kind":{"group":"apps","version":"v1","kind":"Deployment"},"resource":{"group":"apps","version":"v1","resource":"deployments"},` +
			`"namespace":"shop","operation":"CREATE","object":{"apiVersion":"apps/v1","kind":"Deployment"}`
		onPods = "package template\nviolation[{\"msg\": input.review.object.metadata.name}] { true }"
	)
	made := func(change func(*Implied)) []Implied {
		out := Implied{By: "pods", Object: map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "web-pod"}}}
		change(&out)
		return []Implied{out}
	}
	asItIs := func(*Implied) {}
	pods := func(s *Spec) { s.Match.Kinds = []GroupKind{{"", "Pod"}} }
	specs := []Spec{specOf(t, "native", "package native\ndeny contains \"native\" if input.request.name == \"web-pod\""), violationOf(t, "onpods", onPods, pods)}
	for name, c := range map[string]struct {
		specs  []Spec
		makes  []Implied
		except []Exception
		want   string
		asked  int
	}{
		"by policies of Gatekeeper's alone": {specs: specs, makes: made(asItIs), want: "deny [onpods (deny): [Implied by pods] web-pod]", asked: 1},
		"under another enforcement": {
			specs: specs, makes: made(func(i *Implied) { i.Enforcement = EnforceWarn }), want: "allow [onpods (warn): [Implied by pods] web-pod]", asked: 1,
		},
		"unless nobody would": {specs: specs[:1], makes: made(asItIs), want: "allow []"},
		"but for exceptions from what implies them": {
			specs: specs, makes: made(func(i *Implied) { i.Enforcement = EnforceDeny }),
			except: []Exception{exception(func(e *Exception) {
				e.Policies, e.Match.Resources = []string{"onpods"}, []Resource{{Group: "apps", Resource: "deployments"}}
			})},
			want: "allow [onpods (excepted): [Implied by pods] web-pod]", asked: 1,
		},
		"or are faults": {
			specs: specs, makes: append(made(func(i *Implied) { i.Err = errors.New("no template") }), made(asItIs)...), asked: 1,
			want: "deny [expansiontemplate/pods (deny): [Implied by pods] what the object implies could not be judged: no template; " +
				"onpods (deny): [Implied by pods] web-pod]",
		},
	} {
		t.Run(name, func(t *testing.T) {
			expander := &expanding{makes: c.makes}
			set, err := Compile(t.Context(), c.specs, WithExpander(expander), WithExceptions(c.except), WithClock(midnight))
			if err != nil {
				t.Fatal(err)
			}
			if got := verdict(t, set, admissionOf(t, deployment)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if len(expander.asked) != c.asked || c.asked > 0 && expander.asked[0] != "shop" {
				t.Errorf("asked to expand in %q", expander.asked)
			}
		})
	}
	expander := &expanding{makes: made(asItIs)}
	set, err := Compile(t.Context(), specs, WithExpander(expander))
	if err != nil {
		t.Fatal(err)
	}
	for _, request := range []string{
		aboutPods + `"operation":"CREATE","object":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"bare"}}`,
		`"kind":{"group":"apps","version":"v1","kind":"Deployment"},"resource":{"group":"apps","version":"v1","resource":"deployments"},"operation":"DELETE"`,
	} {
		verdict(t, set, admissionOf(t, request))
	}
	mutate := admissionOf(t, deployment)
	mutate.Stage = review.Mutate
	verdict(t, set, mutate)
	if len(expander.asked) > 0 {
		t.Error("what implies nothing is expanded")
	}
	if without, _ := Compile(t.Context(), specs); without.Revision() == set.Revision() || without.Parents(nil) != nil || len(set.Parents(nil)) != 1 {
		t.Error("a Set is the same with an Expander and without")
	}
}
