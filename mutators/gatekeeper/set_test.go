package gatekeeper

import (
	"context"
	"errors"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/portcullis-dev/portcullis/mutators"
	"github.com/portcullis-dev/portcullis/review"
)

func setOf(t testing.TB, texts ...string) *Set {
	t.Helper()
	var list []*Mutator
	for _, text := range texts {
		list = append(list, mutator(t, text))
	}
	out, errs := NewSet(list)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return out
}

// assign is an Assign of text.
func assign(name, location, value string) string {
	return spec("Assign", name, `location: '`+location+`', parameters: {assign: {value: `+value+`}}`)
}

func TestSet(t *testing.T) {
	for _, c := range []struct {
		name, object, want string
		texts              []string
	}{
		{"none", `{}`, `{}`, nil},
		{"the last in order has the last word", `{}`, `{"spec":{"x":"b"}}`, []string{assign("b", "spec.x", "b"), assign("a", "spec.x", "a")}},
		{
			"kinds go before names", `{}`, `{"spec":{"image":"lib/app:v1"}}`,
			[]string{spec("AssignImage", "a", `location: spec.image, parameters: {assignTag: ":v1"}`), assign("z", "spec.image", "lib/app")},
		},
		{
			"an earlier one sees what a later one made", `{}`, `{"spec":{"c":[{"name":"z","x":1}]}}`,
			[]string{assign("a", "spec.c[name: *].x", "1"), assign("z", "spec.c[name: z]", "{name: z, x: 1}"), assign("b", "spec.c[name: *].x", "1")},
		},
		{
			"a whole chain of them", `{}`, `{"spec":{"a":{"b":{"c":{"d":1}},"e":1}}}`,
			[]string{
				needs("a1", "spec.a.b.c.d", "spec.a.b.c", "1"), needs("a2", "spec.a.b.c", "spec.a.b", "{}"),
				needs("a3", "spec.a.b", "spec.a", "{}"), assign("a4", "spec.a.e", "1"),
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			obj := thing(t, c.object)
			err := setOf(t, c.texts...).Mutate(t.Context(), create(), obj)
			if err != nil || rest(t, obj) != c.want {
				t.Errorf("\n got %s %v\nwant %s", rest(t, obj), err, c.want)
			}
		})
	}
}

// needs is an Assign that does something only where something stands at sub, and nothing yet at the location.
func needs(name, location, sub, value string) string {
	return spec("Assign", name, `location: `+location+`, parameters: {assign: {value: `+value+`}, pathTests: [`+
		`{subPath: `+sub+`, condition: MustExist}, {subPath: `+location+`, condition: MustNotExist}]}`)
}

// Two that overrule each other within a pass are at rest. Those that hand an object on from pass to pass are not.
func TestSetThatNeverRests(t *testing.T) {
	set := setOf(t, assign("a", "spec", "{x: [1]}"), spec("ModifySet", "m", `location: spec.x, parameters: {values: {fromList: [2]}}`))
	obj := thing(t, `{}`)
	if err := set.Mutate(t.Context(), create(), obj); err != nil || rest(t, obj) != `{"spec":{"x":[1,2]}}` {
		t.Errorf("%s %v", rest(t, obj), err)
	}
	set = setOf(t, assign("a", "spec.x", "1"), assign("b", "spec.x", "3"), assign("c", "spec.x", "2"), assign("d", "spec.y", "1"))
	for i, from := range []int64{3, 2, 1} {
		set.mutators[i].matcher = MatcherFunc(func(_ *review.Request, obj *unstructured.Unstructured) (bool, error) {
			x, _, err := unstructured.NestedInt64(obj.Object, "spec", "x")
			return x == from, err
		})
	}
	err := set.Mutate(t.Context(), create(), thing(t, `spec: {x: 1}`))
	want := "the object never comes to rest: applied again and again, these keep changing it: Assign/b at spec.x, Assign/a at spec.x, Assign/c at spec.x"
	if err == nil || err.Error() != want {
		t.Errorf("\n got %v\nwant %s", err, want)
	}
}

func TestSetStopsAtAFault(t *testing.T) {
	set := setOf(t, assign("a", "spec.x", "1"), assign("b", "spec.x.y", "1"))
	err := set.Mutate(t.Context(), create(), thing(t, `{}`))
	if err == nil || err.Error() != "Assign/b cannot be applied: spec.x is a number, not an object" {
		t.Error(err)
	}
	set = setOf(t, spec("Assign", "a", `match: {error: why}, location: spec.x, parameters: {assign: {value: 1}}`))
	err = set.Mutate(t.Context(), create(), thing(t, `{}`))
	if err == nil || err.Error() != "it cannot be told whether Assign/a is about the object: why" {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := set.Mutate(ctx, create(), thing(t, `{}`)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestGatekeepersOwnObjectsAreLeftAlone(t *testing.T) {
	set := setOf(t, spec("AssignMetadata", "a", `location: metadata.labels.x, parameters: {assign: {value: v}}`))
	for group, want := range map[string]string{
		"templates.gatekeeper.sh/v1": `{}`, "constraints.gatekeeper.sh/v1beta1": `{}`, "gatekeeper.sh/v1": `{}`,
		"notgatekeeper.sh/v1": `{"metadata":{"labels":{"x":"v"}}}`,
	} {
		obj := thing(t, `{}`)
		obj.SetAPIVersion(group)
		if err := set.Mutate(t.Context(), create(), obj); err != nil || rest(t, obj) != want {
			t.Errorf("%s: %s %v", group, rest(t, obj), err)
		}
	}
	var none *Set
	if err := none.Mutate(t.Context(), create(), thing(t, `{}`)); err != nil || none.Mutators() != nil {
		t.Error(err)
	}
}

// As a link of a Chain a Set goes before the policies, which see what it made; what it could not do is no answer.
func TestSetInAChain(t *testing.T) {
	req, _, err := review.DialectMutate([]byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{
		"uid":"u","kind":{"group":"","version":"v1","kind":"Thing"},"resource":{"group":"","version":"v1","resource":"things"},
		"operation":"CREATE","namespace":"prod","object":{"apiVersion":"v1","kind":"Thing","metadata":{"name":"n"},"spec":{"y":"z"}},"oldObject":null}}`))
	if err != nil {
		t.Fatal(err)
	}
	seen := ""
	policies := mutators.Ask(review.ReviewerFunc(func(_ context.Context, req *review.Request) (review.Decision, error) {
		seen = string([]byte(req.Object))
		return review.Decision{Verdict: review.Allow}, nil
	}))
	ask := func(texts ...string) (review.Decision, error) {
		return mutators.Chain{setOf(t, texts...), policies}.Review(t.Context(), req)
	}
	d, err := ask(spec("AssignMetadata", "ns", `location: metadata.labels.ns, parameters: {assign: {fromMetadata: {field: namespace}}}`), assign("a", "spec.x", "[1, 2.5]"))
	want := `[{"op":"add","path":"/metadata/labels","value":{"ns":"prod"}},{"op":"add","path":"/spec/x","value":[1,2.5]}]`
	if err != nil || string(d.Patch) != want || !strings.Contains(seen, `"ns":"prod"`) {
		t.Errorf("%s %v; the policies saw %s", d.Patch, err, seen)
	}
	d, err = ask(assign("a", "spec.y.x", "1"))
	if err == nil || err.Error() != `mutator "gatekeeper": Assign/a cannot be applied: spec.y is a string, not an object` || d.Verdict != review.Deny || d.Patch != nil {
		t.Errorf("%v %v", d, err)
	}
}
