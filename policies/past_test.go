package policies

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/portcullis-dev/portcullis/review"
)

// secretUpdate is the review of a Secret's change of which the contents were erased.
func secretUpdate(t testing.TB) *review.Request {
	t.Helper()
	req, _, err := review.DialectValidate([]byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u1","operation":"UPDATE",
		"kind":{"group":"","version":"v1","kind":"Secret"},"resource":{"group":"","version":"v1","resource":"secrets"},"name":"s","namespace":"shop",
		"userInfo":{"username":"jane"},
		"object":{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","labels":{"a":"new"}},"data":"(erased)","list":[{"x":1,"y":2},3]},
		"oldObject":{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","labels":{"a":"old"}},"data":"(erased)"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// veils are the parts of secretUpdate that are not known.
func veils() []string {
	return []string{"/request/object/data", "/request/oldObject", "/request/object/list/0/x", "/request/object/stringData"}
}

func TestWhoLooksAtWhatIsNotKnownHasNoAnswer(t *testing.T) {
	const object, old = "input.request.object", "input.request.oldObject"
	for _, c := range []struct {
		body    string
		unknown bool
	}{
		{object + `.metadata.name == "s"`, false},
		{`o := ` + object + `; o.metadata.labels.a == "new"`, false},
		{`o := ` + object + `; some k, v in o.metadata; k == "name"; v == "s"`, false},
		{object + `.list[0].y == 2`, false},
		{`object.get(` + object + `, "metadata", {}).name == "s"`, false},
		{`object.get(` + object + `, ["metadata", "name"], "") == "s"`, false},
		{`name(` + object + `) == "s"`, false},
		{`name(` + object + `) == "s"; name(` + object + `) == name(thing)`, false},
		{`thing.metadata.name == "s"`, false},
		{`input.request.operation == "UPDATE"`, false},
		{`"a" in object.keys(` + object + `.metadata.labels)`, false},
		{object + `.metadata.name == "s"; ` + object + `.metadata.name != "t"; not ` + object + `.data`, true},
		{object + `.data`, true},
		{object + `.data.password == "x"`, true},
		{`not ` + object + `.stringData`, true},
		{`thing.data.password == "x"`, true},
		{`secret(` + object + `)`, true},
		{`some k; ` + object + `[k] == "x"`, true},
		{`some k, v in ` + object + `; k == "kind"`, true},
		{`count(` + object + `) == 5`, true},
		{`walk(` + object + `, [path, value]); path == ["kind"]`, true},
		{`object.get(` + object + `, "data", "none") == "none"`, true},
		{`object.get(` + object + `, ["data", "x"], "none") == "none"`, true},
		{`json.marshal(` + object + `) == "x"`, true},
		{`json.filter(` + object + `, ["kind"]).kind == "Secret"`, true},
		{`json.remove(` + object + `, ["data"]).kind == "Secret"`, true},
		{`object.union(` + object + `, {}).kind == "Secret"`, true},
		{`object.remove(` + object + `, ["data"]).kind == "Secret"`, true},
		{`object.filter(` + object + `, ["kind"]).kind == "Secret"`, true},
		{`"data" in object.keys(` + object + `)`, true},
		{`is_object(` + object + `)`, false}, // which it is, whatever is in it
		{object + ` == {}`, true},
		{`` + object + ` == ` + old, true},
		{object + ` != null`, true},
		{`sprintf("%v", [` + object + `]) == "x"`, true},
		{`{` + object + `} == {1}`, true},
		{`input.request.object.list[0].x == 1`, true},
		{`some e in ` + object + `.list; e.x == 1`, true},
		{old, true},
		{`not ` + old + `.metadata`, true},
		{`input == {}`, true},
		{`some k, v in input.request; k == "oldObject"`, true},
		{`some k, v in input.request; k == "uid"`, true},
	} {
		rego := "package a\nthing := input.request.object if input.request.operation != \"DELETE\"\nthing := input.request.oldObject if input.request.operation == \"DELETE\"\n" +
			"name(o) := o.metadata.name\nsecret(o) if o.data.x == 1\ndeny contains \"no\" if {\n\t" + c.body + "\n}\n"
		set, err := Compile(t.Context(), []Spec{specOf(t, "a", rego)})
		if err != nil {
			t.Errorf("%s: %v", c.body, err)
			continue
		}
		ctx := InThePast(t.Context(), Past{Unknown: veils()})
		d, err := set.Review(ctx, secretUpdate(t))
		if err != nil {
			t.Fatal(err)
		}
		if got := len(d.Findings) == 1 && d.Findings[0].Unknown && d.Findings[0].Fault; got != c.unknown {
			t.Errorf("%s: unknown %v: %+v", c.body, got, d.Findings)
		}
	}
}

// What one policy found out of what is not known is not passed on to the next, which would not be seen to look.
func TestWhatPoliciesShareIsLookedAtByEach(t *testing.T) {
	rego := "package %s\nimport data.lib\ndeny contains \"no\" if lib.password"
	lib := ast.MustParseModule("package lib\npassword if input.request.object.data.password")
	share := func(s *Spec) { s.Modules, s.Shared = append(s.Modules, lib), []ast.Ref{lib.Package.Path} }
	set := compiled(t, specOf(t, "a", fmt.Sprintf(rego, "a"), share), specOf(t, "b", fmt.Sprintf(rego, "b"), share))
	d, err := set.Review(InThePast(t.Context(), Past{Unknown: veils()}), secretUpdate(t))
	if err != nil || len(d.Findings) != 2 || !d.Findings[0].Unknown || !d.Findings[1].Unknown {
		t.Errorf("%+v %v", d.Findings, err)
	}
}

func TestAMatchByWhatIsNotKnownHasNoAnswer(t *testing.T) {
	selecting := func(text string) func(*Spec) {
		return func(s *Spec) { s.Match.Labels, _ = labels.Parse(text) }
	}
	for _, c := range []struct {
		selector string
		unknown  []string
		want     string
	}{
		{"a=new", []string{"/request/oldObject"}, "no"},
		{"a=old", []string{"/request/oldObject"}, "unknown"},
		{"a=other", []string{"/request/oldObject"}, "unknown"},
		{"a=other", []string{"/request/oldObject/metadata/annotations"}, ""},
		{"a=other", []string{"/request/object/data"}, ""},
		{"a=new", []string{"/request/object/metadata/labels/a"}, "unknown"},
		{"a=new", []string{"/request/object"}, "unknown"},
	} {
		set := compiled(t, specOf(t, "a", "package a\ndeny contains \"no\"", selecting(c.selector)))
		d, err := set.Review(InThePast(t.Context(), Past{Unknown: c.unknown}), secretUpdate(t))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if len(d.Findings) > 0 {
			if got = d.Findings[0].Message; d.Findings[0].Unknown {
				got = "unknown"
			}
		}
		if got != c.want {
			t.Errorf("%s without %v: %q, want %q", c.selector, c.unknown, got, c.want)
		}
	}
}

func TestThePastIsAskedByItsOwnClock(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	rego := fmt.Sprintf("package a\ndeny contains \"no\" if time.now_ns() == %d", at.UnixNano())
	req := secretUpdate(t)
	for _, convention := range []Convention{Native, Gatekeeper} {
		spec := specOf(t, "a", rego, func(s *Spec) {
			if s.Convention = convention; convention == Gatekeeper {
				s.Modules[0] = ast.MustParseModule(fmt.Sprintf("package a\nviolation contains {\"msg\": \"no\"} if time.now_ns() == %d", at.UnixNano()))
				s.Rules = []Rule{{Stage: review.Validate, Name: ViolationRule}}
			}
		})
		set := compiled(t, spec)
		if d, err := set.Review(InThePast(t.Context(), Past{At: at}), req); err != nil || d.Verdict != review.Deny {
			t.Errorf("then: %+v %v", d, err)
		}
		if d, err := set.Review(t.Context(), req); err != nil || d.Verdict != review.Allow {
			t.Errorf("now: %+v %v", d, err)
		}
	}
	exception := Exception{
		Namespace: "shop", Name: "e", Policies: []string{"b"}, Match: Match{Resources: []Resource{{Resource: "secrets"}}}, Expires: at.Add(time.Second),
	}
	set, err := Compile(t.Context(), []Spec{specOf(t, "b", "package b\ndeny contains \"no\"")}, WithExceptions([]Exception{exception}))
	if err != nil {
		t.Fatal(err)
	}
	for when, want := range map[time.Time]review.Verdict{at: review.Allow, at.Add(time.Minute): review.Deny, {}: review.Deny} {
		if d, err := set.Review(InThePast(t.Context(), Past{At: when}), req); err != nil || d.Verdict != want {
			t.Errorf("at %s: %s %v", when, d.Verdict, err)
		}
	}
}

// A fault that would be the same at any time is not Unknown; want of a namespace is.
func TestWhichFaultsAreUnknown(t *testing.T) {
	faulty := compiled(t, specOf(t, "a", "package a\ndeny contains \"no\" if to_number(input.request.name) == 1"))
	if d, err := faulty.Review(t.Context(), secretUpdate(t)); err != nil || len(d.Findings) != 1 || !d.Findings[0].Fault || d.Findings[0].Unknown {
		t.Errorf("%+v %v", d.Findings, err)
	}
	selecting := compiled(t, specOf(t, "a", "package a\ndeny contains \"no\"", func(s *Spec) { s.Match.NamespaceLabels = labels.Everything() }))
	if d, err := selecting.Review(t.Context(), secretUpdate(t)); err != nil || len(d.Findings) != 1 || !d.Findings[0].Unknown {
		t.Errorf("%+v %v", d.Findings, err)
	}
}

// What OPA may ask of an object and is not thought of here fails.
func TestAVeiledObjectIsSeenToBeLookedAtOrFails(t *testing.T) {
	v := &veiled{inner: ast.NewObject()}
	defer func() {
		if recover() == nil {
			t.Error("a method that is not thought of passes unseen")
		}
	}()
	_, _ = v.Merge(ast.NewObject())
	t.Error(errors.New("it was answered"))
}
