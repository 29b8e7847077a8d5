package policies

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/review"
)

func standingPod() (review.Target, []byte) {
	return review.Target{Version: "v1", Resource: "pods", Kind: "Pod", Namespace: "shop", Name: "web"},
		[]byte(`{"apiVersion":"v1","kind":"Pod","metadata":{"namespace":"shop","name":"web","labels":{"app":"web"},"managedFields":[{"manager":"ctl"}]},"spec":{"a":1}}`)
}

// audited lists what came of the audit of a Pod.
func audited(t *testing.T, set *Set, only func(string) bool) string {
	t.Helper()
	target, object := standingPod()
	got, err := set.Audit(t.Context(), target, object, only)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	fmt.Fprint(&out, got.Asked)
	for _, f := range got.Findings {
		fmt.Fprintf(&out, "; %s %s", f.Policy, f.Effect)
		if f.Warning {
			fmt.Fprint(&out, " (warning)")
		}
		if f.Fault {
			fmt.Fprint(&out, " (fault)")
		}
		fmt.Fprintf(&out, " %s", f.Message)
		if f.Exception != nil {
			fmt.Fprintf(&out, " lifted by %s", f.Exception.Name)
		}
	}
	if got.Spared {
		fmt.Fprint(&out, "; spared")
	}
	return out.String()
}

func TestAudit(t *testing.T) {
	only := func(s *Spec) { s.Match.Operations = []string{"create", "update"} }
	for name, c := range map[string]struct {
		specs []Spec
		opts  []Option
		only  func(string) bool
		want  string
	}{
		"what API servers ask at a creation, but for the user": {
			specs: []Spec{specOf(t, "a", "package a\ndeny contains message if {\n\tr := input.request\n"+
				"\tmessage := sprintf(\"%v %v %v %v %v %v\", [r.kind.kind, r.resource.resource, r.namespace, r.name, r.oldObject, r.object.spec.a])\n}", only)},
			want: "[a]; a deny Pod pods shop web null 1",
		},
		"what Gatekeeper's audit shows": {
			specs: []Spec{violationOf(t, "a", "package template\nviolation[{\"msg\": sprintf(\"%v\", [object.remove(input.review, [\"object\"])])}] { true }", only)},
			want: `[a]; a deny {"kind": {"group": "", "kind": "Pod", "version": "v1"}, "name": "web", "namespace": "shop", "namespaceObject": {}, ` +
				`"oldObject": null, "operation": "", "options": null, "resource": {"group": "", "resource": "", "version": ""}, "uid": "", "userInfo": {}}`,
		},
		"refusals and warnings, in policy order": {
			specs: []Spec{
				violationOf(t, "c", "package template\nviolation[{\"msg\": \"c\"}] { true }"),
				specOf(t, "b", "package b\nwarn contains \"b\" if true\ndeny contains \"B\" if true", func(s *Spec) { s.Enforcement = EnforceAudit }),
				specOf(t, "a", "package a\ndeny contains \"a\" if input.request.object.spec.b"),
			},
			want: "[a b c]; b audit B; b audit (warning) b; c deny c",
		},
		"by the audit's own enforcement": {
			specs: []Spec{
				violationOf(t, "a", "package template\nviolation[{\"msg\": \"a\"}] { true }", func(s *Spec) {
					s.ByOrigin = map[review.Origin]Enforcement{review.FromAudit: EnforceWarn}
				}),
				violationOf(t, "b", "package template\nviolation[{\"msg\": \"b\"}] { true }", func(s *Spec) {
					s.ByOrigin = map[review.Origin]Enforcement{review.FromAudit: EnforceOff}
				}),
			},
			want: "[a]; a warn a",
		},
		"not by those who ask who asks": {specs: []Spec{specOf(t, "a", "package a\ndeny contains \"a\" if input.request.userInfo.username")}, want: "[]"},
		"by those that are meant": {
			specs: []Spec{specOf(t, "a", "package a\ndeny contains \"a\" if true"), specOf(t, "b", "package b\ndeny contains \"b\" if true")},
			only:  func(id string) bool { return id == "b" }, want: "[b]; b deny b",
		},
		"a fault is no refusal": {
			specs: []Spec{specOf(t, "a", "package a\ndeny contains \"a\" if to_number(input.request.object.kind) > 1")},
			want:  "[a]; a deny (fault) the policy could not be evaluated: to_number failed at a.rego:2",
		},
		"nor is a namespace that is not known": {
			specs: []Spec{specOf(t, "a", "package a\ndeny contains \"a\" if input.namespace.metadata.labels.a")},
			want:  "[a]; a deny (fault) the policy could not be evaluated: namespace \"shop\": " + errNotKnown.Error(),
		},
		"exceptions lift": {
			specs: []Spec{specOf(t, "a", "package a\ndeny contains \"a\" if true")}, opts: []Option{WithExceptions([]Exception{exception()}), WithClock(midnight)},
			want: "[a]; a excepted a lifted by shop/legacy",
		},
		"until they expire": {
			specs: []Spec{specOf(t, "a", "package a\ndeny contains \"a\" if true")},
			opts:  []Option{WithExceptions([]Exception{exception()}), WithClock(func() time.Time { return midnight().Add(time.Hour) })},
			want:  "[a]; a deny a",
		},
		"what is spared is told": {
			specs: []Spec{violationOf(t, "a", "package template\nviolation[{\"msg\": \"a\"}] { true }"), specOf(t, "b", "package b\ndeny contains \"b\" if true")},
			opts:  []Option{WithSparing(sparingNamespace("shop"))}, want: "[b]; b deny b; spared",
		},
		"managed fields are there for those who read them, whoever was asked before": {
			specs: []Spec{
				violationOf(t, "b", "package template\nviolation[{\"msg\": input.review.object.metadata.managedFields[_].manager}] { true }"),
				specOf(t, "a", "package a\ndeny contains input.request.object.kind if true"),
			},
			want: "[a b]; a deny Pod; b deny ctl",
		},
		"what is implied is not judged": {
			specs: []Spec{violationOf(t, "a", "package template\nviolation[{\"msg\": input.review.object.kind}] { true }")},
			opts:  []Option{WithExpander(&expanding{makes: []Implied{{By: "x", Object: map[string]any{"apiVersion": "v1", "kind": "Other"}}}})},
			want:  "[a]; a deny Pod",
		},
	} {
		t.Run(name, func(t *testing.T) {
			set, err := Compile(t.Context(), c.specs, c.opts...)
			if err != nil {
				t.Fatal(err)
			}
			if got := audited(t, set, c.only); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestAnAuditWithoutAnAnswerIsAnError(t *testing.T) {
	set, err := Compile(t.Context(), []Spec{specOf(t, "a", "package a\ndeny contains \"a\" if true")})
	if err != nil {
		t.Fatal(err)
	}
	target, object := standingPod()
	for _, bad := range []string{"", "{", `{"a":1,"a":2}`, strings.Repeat(`{"a":`, 20_000)} {
		if _, err := set.Audit(t.Context(), target, []byte(bad), nil); err == nil {
			t.Errorf("%.20s was judged", bad)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := set.Audit(ended, target, object, nil); err == nil {
		t.Error("what was cut short is an answer")
	}
}
