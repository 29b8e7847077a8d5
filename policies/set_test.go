package policies

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/portcullis-dev/portcullis/review"
)

// specOf makes a Spec of Rego the way a front end would, with every rule it defines asked at validate.
func specOf(t testing.TB, id, rego string, change ...func(*Spec)) Spec {
	t.Helper()
	module, err := ast.ParseModule(id+".rego", rego)
	if err != nil {
		t.Fatal(err)
	}
	spec := Spec{
		ID: id, File: id + ".rego", Digest: rego, Package: module.Package.Path, Modules: []*ast.Module{module},
		Enforcement: EnforceDeny, OnError: OnErrorDeny,
	}
	for _, name := range []string{"deny", "warn"} {
		if strings.Contains(rego, "\n"+name) {
			spec.Rules = append(spec.Rules, Rule{Stage: review.Validate, Name: name})
		}
	}
	for _, c := range change {
		c(&spec)
	}
	return spec
}

func at(stage review.Stage, rule string) func(*Spec) {
	return func(s *Spec) { s.Rules = []Rule{{Stage: stage, Name: rule}} }
}

func on(resources ...Resource) func(*Spec) { return func(s *Spec) { s.Match.Resources = resources } }

func compiled(t testing.TB, specs ...Spec) *Set {
	t.Helper()
	set, err := Compile(t.Context(), specs)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// podCreate is the review of a Pod's creation; object replaces the Pod.
func podCreate(t testing.TB, object string) *review.Request {
	t.Helper()
	body := fmt.Sprintf(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u1","operation":"CREATE",
		"kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},
		"namespace":"shop","name":"web","userInfo":{"username":"jane"},"object":%s,"oldObject":null}}`, object)
	req, _, err := review.DialectValidate([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

const pod = `{"metadata":{"name":"web","labels":{"app":"web"}},"spec":{"containers":[{"name":"a"},{"name":"b"}]}}`

func TestEveryFindingOfEveryPolicyInPolicyOrder(t *testing.T) {
	set := compiled(t,
		specOf(t, "a", "package a\ndeny contains msg if { some c in input.request.object.spec.containers; msg := sprintf(\"%s is wrong\", [c.name]) }"),
		specOf(t, "b", "package b\nwarn contains {\"message\": \"mind\tthis\", \"field\": [\"spec\", \"containers\", 0]}"),
		specOf(t, "c", "package c\ndeny contains {\"msg\": \"other spelling\", \"field\": \"spec\", \"details\": {\"a\": 1}}"),
	)
	d, err := set.Review(t.Context(), podCreate(t, pod))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"deny a: a is wrong", "deny a: b is wrong", "warn b: mind this (spec.containers[0])", "deny c: other spelling (spec)"}
	for i, f := range d.Findings {
		if got := string(f.Effect) + " " + f.String(); i >= len(want) || got != want[i] {
			t.Errorf("finding %d is %q", i, got)
		}
	}
	if len(d.Findings) != len(want) || d.Verdict != review.Deny || d.Revision != set.Revision() {
		t.Errorf("%+v", d)
	}
	if got := d.Refusal(); got != "3 reasons:\n- a: a is wrong\n- a: b is wrong\n- c: other spelling (spec)" {
		t.Errorf("refusal is %q", got)
	}
}

func TestAReviewThatConcernsNoPolicyIsNotDecoded(t *testing.T) {
	set := compiled(t, specOf(t, "a", "package a\ndeny contains \"no\"", on(Resource{Resource: "configmaps"})))
	req := podCreate(t, pod)
	req.Body = review.Raw("not JSON at all")
	if d, err := set.Review(t.Context(), req); err != nil || d.Verdict != review.Allow {
		t.Errorf("%+v %v", d, err)
	}
	req.Target.Resource = "configmaps"
	if _, err := set.Review(t.Context(), req); err == nil {
		t.Error("a body that is not JSON was judged")
	}
}

func TestWhatAStageMeansWhenNobodyRefuses(t *testing.T) {
	set := compiled(t, specOf(t, "a", "package a\ndeny contains \"no\" if false"))
	for stage, want := range map[review.Stage]review.Verdict{
		review.Validate: review.Allow, review.Mutate: review.Allow, review.Image: review.Allow,
		review.Guard: review.NoOpinion, review.Grant: review.NoOpinion, review.Authenticate: review.NoOpinion,
		"": review.Deny, "unheard-of": review.Deny,
	} {
		req := podCreate(t, pod)
		req.Stage = stage
		if d, err := set.Review(t.Context(), req); err != nil || d.Verdict != want {
			t.Errorf("%q: %v %v, want %v", stage, d.Verdict, err, want)
		}
	}
}

// To Rego a misspelt import is merely undefined, and the rule would never refuse.
func TestWhatNothingDefinesIsNotReferredTo(t *testing.T) {
	for rego, want := range map[string]string{
		"package a\nimport data.portcullis.kubernets\ndeny contains \"no\" if kubernets.object":  "a.rego:3: data.portcullis.kubernets.object is defined by no policy here; objects of the cluster are at data.kubernetes[kind]",
		"package a\ndeny contains \"no\" if data[input.request.name].foo":                        "a.rego:2: data[...] with a name that is only known when the rule is evaluated cannot be checked; write the name behind data out",
		"package a\n\ndeny contains name if data[name].foo":                                      "a.rego:3: data[...] with a name that is only known when the rule is evaluated cannot be checked; write the name behind data out",
		"package a\ndeny contains \"no\" if data.kubernetes.namespaces[input.request.namespace]": "a.rego:2: data.kubernetes[\"namespaces\"] is not declared: add \"namespaces\" to data in the policy's METADATA",
	} {
		if _, err := Compile(t.Context(), []Spec{specOf(t, "a", rego)}); err == nil || err.Error() != want {
			t.Errorf("%s:\n got %v\nwant %s", rego, err, want)
		}
	}
}

// A policy written for OPA may have members of its own in a finding.
func TestFindingsOfPoliciesForOPAAreTakenAsTheyAre(t *testing.T) {
	set := compiled(t, specOf(t, "a", "package a\ndeny contains {\"msg\": \"no\", \"code\": 7}", func(s *Spec) { s.Lenient = true }))
	if d, err := set.Review(t.Context(), podCreate(t, pod)); err != nil || d.Refusal() != "a: no" {
		t.Errorf("%+v %v", d, err)
	}
}

// slow is Rego whose evaluation takes minutes, and can be cancelled between its steps.
const slow = "package slow\ndeny contains \"never\" if { some a in numbers.range(1, 100000); some b in numbers.range(1, 100000); a + b < 0 }"

// A namespace that is not known yet is waited for, once for all policies, and only if one must know it.
func TestArrivals(t *testing.T) {
	selector, err := labels.Parse("tier=prod")
	if err != nil {
		t.Fatal(err)
	}
	selecting := specOf(t, "selecting", "package selecting\ndeny contains \"no\"", func(s *Spec) { s.Match.NamespaceLabels = selector })
	again := specOf(t, "again", "package again\ndeny contains \"nor\"", func(s *Spec) { s.Match.NamespaceLabels = selector })
	indifferent := specOf(t, "indifferent", "package indifferent\ndeny contains \"ever\"")
	for _, c := range []struct {
		specs  []Spec
		comes  bool
		waited int
		want   string
	}{
		{[]Spec{selecting, again}, true, 1, "again: nor; selecting: no"},
		{[]Spec{selecting}, false, 1, `selecting: the policy could not be evaluated: namespace "shop": ` + errNotKnown.Error()},
		{[]Spec{indifferent}, true, 0, "indifferent: ever"},
	} {
		known, waited := map[string]Namespace{}, 0
		set, err := Compile(t.Context(), c.specs, WithNamespaces(func(name string) (Namespace, bool) {
			ns, ok := known[name]
			return ns, ok
		}), WithArrivals(func(_ context.Context, req *review.Request) {
			if waited++; c.comes {
				known[req.Target.Namespace] = Namespace{Labels: labels.Set{"tier": "prod"}}
			}
		}))
		if err != nil {
			t.Fatal(err)
		}
		d, err := set.Review(t.Context(), podCreate(t, pod))
		var got []string
		for _, f := range d.Findings {
			got = append(got, f.String())
		}
		if err != nil || strings.Join(got, "; ") != c.want || waited != c.waited {
			t.Errorf("waited %d times: %q %v", waited, got, err)
		}
	}
}

func TestEdits(t *testing.T) {
	mutate := func(edit string) review.Decision {
		set := compiled(t, specOf(t, "a", "package a\nmutate contains "+edit, at(review.Mutate, "mutate")))
		req := podCreate(t, pod)
		req.Stage = review.Mutate
		d, err := set.Review(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	d := mutate(`{"append": ["spec", "containers", {"name": "a"}, "env", 0], "value": {"name": "X"}, "key": "name"}`)
	if len(d.Edits) != 1 || d.Verdict != review.Allow {
		t.Fatalf("%+v", d)
	}
	if e := d.Edits[0]; e.Policy != "a" || e.Op != review.EditAppend || e.Key != "name" || len(e.Path) != 5 ||
		e.Path[2].Where["name"] != "a" || !e.Path[4].ByIndex {
		t.Errorf("%+v", e)
	}
	for edit, want := range map[string]string{
		`1`:                                      "it returns number where an edit should be an object",
		`{"value": 1}`:                           "it returns an edit without set, default, remove or append",
		`{"set": ["a"]}`:                         "it returns an edit to set with no value, or one to remove with a value",
		`{"remove": ["a"], "value": 1}`:          "it returns an edit to remove with no value, or one to remove with a value",
		`{"set": [], "value": 1}`:                `it returns an edit whose path is not an array of segments such as ["metadata", "labels"]`,
		`{"set": "a", "value": 1}`:               `it returns an edit whose path is not an array of segments such as ["metadata", "labels"]`,
		`{"set": ["a", -1], "value": 1}`:         "it returns an edit with the position -1 in its path",
		`{"set": ["a", null], "value": 1}`:       "it returns an edit with null in its path",
		`{"set": ["a"], "value": 1, "x":1}`:      `it returns an edit with an unknown member "x"`,
		`{"set": ["a"], "remove": ["b"]}`:        "it returns an edit that is both",
		`{"set": ["a"], "value": 1, "key": "k"}`: "it returns an edit to set with a key, which only append takes",
	} {
		d := mutate(edit)
		if d.Verdict != review.Deny || len(d.Edits) != 0 || !strings.Contains(d.Refusal(), want) {
			t.Errorf("%s: %+v", edit, d)
		}
	}
}

// What a shared package works out is worked out once for all policies; what "with" makes of it stays where it is.
func TestSharedPackages(t *testing.T) {
	helper := specOf(t, "helper", "package helper\nnames contains c.name if some c in input.request.object.spec.containers")
	shares := func(s *Spec) {
		s.Modules = append(s.Modules, helper.Modules...)
		s.Shared = []ast.Ref{helper.Package}
	}
	mocking := "package b\ndeny contains sprintf(\"b %v\", [n]) if { n := count(data.helper.names) with input as {} }"
	set := compiled(t,
		specOf(t, "a", "package a\ndeny contains sprintf(\"a %v\", [count(data.helper.names)])", shares),
		specOf(t, "b", mocking, shares),
		specOf(t, "c", "package c\ndeny contains sprintf(\"c %v\", [count(data.helper.names)])", shares),
	)
	d, err := set.Review(t.Context(), podCreate(t, pod))
	if err != nil || d.Refusal() != "3 reasons:\n- a: a 2\n- b: b 0\n- c: c 2" {
		t.Errorf("%v %v", d.Refusal(), err)
	}
	// The next request has a value of its own.
	d, err = set.Review(t.Context(), podCreate(t, `{"spec":{"containers":[{"name":"only"}]}}`))
	if err != nil || d.Refusal() != "3 reasons:\n- a: a 1\n- b: b 0\n- c: c 1" {
		t.Errorf("%v %v", d.Refusal(), err)
	}
	in, err := set.inputs(podCreate(t, pod), elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	in = in.unshared()
	for _, rule := range set.index.candidates(podCreate(t, pod)) {
		if got := ask(t.Context(), rule, in, nil); got.err != nil {
			t.Fatal(got.err)
		}
	}
	if keys := in.shared.Keys(); len(keys) != 1 || keys[0].String() != "data.helper.names" {
		t.Errorf("shared are %v", keys)
	}
}

// A policy that counts on a built-in function's failure being told is told of it, whoever asked the shared package before.
func TestAFailureIsNotShared(t *testing.T) {
	helper := specOf(t, "helper", "package helper\nlarge if to_number(input.request.object.spec.size) > 5\nnames contains c.name if some c in input.request.object.spec.containers")
	shares := func(s *Spec) {
		s.Modules = append(s.Modules, helper.Modules...)
		s.Shared = []ast.Ref{helper.Package}
	}
	rego := func(id string) string { return "package " + id + "\ndeny contains \"no\" if data.helper.large" }
	set := compiled(t,
		specOf(t, "a", rego("a"), shares, func(s *Spec) { s.Lenient = true }),
		specOf(t, "b", rego("b"), shares),
		specOf(t, "c", rego("c"), shares),
	)
	d, err := set.Review(t.Context(), podCreate(t, `{"spec":{"size":"99x"}}`))
	const fault = "the policy could not be evaluated: to_number failed at helper.rego:2"
	if err != nil || d.Refusal() != "2 reasons:\n- b: "+fault+"\n- c: "+fault {
		t.Errorf("%v %v", d.Refusal(), err)
	}
}
