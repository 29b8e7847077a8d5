package policies

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-dev/portcullis/review"
)

// explained lists what Explain says: rule, place, message and field.
func explained(t *testing.T, set *Set, req *review.Request, past Past, only ...string) (out []string) {
	t.Helper()
	fired, err := set.Explain(t.Context(), req, past, func(id string) bool { return len(only) == 0 || slices.Contains(only, id) })
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fired {
		out = append(out, strings.TrimRight(fmt.Sprintf("%s %s %s:%d %s %s", f.Policy, f.Rule, f.File, f.Row, f.Message, f.Field), " "))
	}
	return out
}

func TestWhichRuleSaidIt(t *testing.T) {
	const several = `package a

deny contains msg if {
	some c in input.request.object.spec.containers
	msg := sprintf("%s is wrong", [c.name])
}

deny contains {"message": say("one"), "field": ["spec", "x"]} if input.request.namespace == "shop"

deny contains "never" if input.request.namespace == "bank"

deny contains "b is wrong" if input.request.namespace == "shop"

warn contains "mind" if not input.request.object.spec.quiet

say(what) := concat(" ", ["this", what])
`
	edit := func(s *Spec) { s.Rules = []Rule{{Stage: review.Mutate, Name: "mutate"}} }
	mutating := podCreate(t, pod)
	mutating.Stage = review.Mutate
	for name, c := range map[string]struct {
		set  *Set
		req  *review.Request
		past Past
		only []string
		want []string
	}{
		"several rules of a policy": {
			set: compiled(t, specOf(t, "a", several)), req: podCreate(t, pod),
			want: []string{
				"a deny a.rego:3 a is wrong", "a deny a.rego:3 b is wrong", "a deny a.rego:8 this one spec.x", "a deny a.rego:12 b is wrong", "a warn a.rego:14 mind",
			},
		},
		"only who is asked for": {
			set: compiled(t, specOf(t, "a", several), specOf(t, "b", "package b\n\ndeny contains \"b\"")), req: podCreate(t, pod), only: []string{"b"},
			want: []string{"b deny b.rego:3 b"},
		},
		"a constraint": {
			set: compiled(t, violationOf(t, "c", "package c\n\nviolation[{\"msg\": msg}] {\n  msg := input.parameters.say\n}\n", given(`{"say": "no"}`)),
				violationOf(t, "d", "package c\n\nviolation[{\"msg\": msg}] {\n  msg := input.parameters.say\n}\n", given(`{"say": "never"}`))),
			req: podCreate(t, pod), want: []string{"c violation c.yaml:3 no", "d violation d.yaml:3 never"},
		},
		"an edit": {
			set: compiled(t, specOf(t, "e", "package e\n\nmutate contains {\"set\": [\"spec\", \"x\"], \"value\": 1} if true\n", edit)), req: mutating,
			want: []string{"e mutate e.rego:3"},
		},
		"what is not known": {
			set: compiled(t, specOf(t, "f", "package f\n\ndeny contains \"f\" if input.request.object.spec.x != 1\n\nwarn contains \"known\" if input.request.namespace == \"shop\"\n")),
			req: podCreate(t, `{"metadata":{"name":"web"},"spec":{"x":"(erased)"}}`), past: Past{Unknown: []string{"/request/object/spec/x"}},
			want: []string{"f warn f.rego:5 known"},
		},
		"the time of then": {
			set: compiled(t, specOf(t, "g", "package g\n\ndeny contains \"early\" if time.now_ns() < 1000000000000000000\n")), req: podCreate(t, pod),
			past: Past{At: time.Unix(1000, 0)}, want: []string{"g deny g.rego:3 early"},
		},
		"a permission": {
			set: compiled(t, specOf(t, "h", "package h\n\nallow if input.request.namespace == \"bank\"\n\nallow if input.request.namespace == \"shop\"\n", at(review.Validate, "allow"))),
			req: podCreate(t, pod), want: []string{"h allow h.rego:5 granted"},
		},
		"nothing": {set: compiled(t, specOf(t, "i", "package i\n\ndeny contains \"i\" if false\n")), req: podCreate(t, pod)},
	} {
		t.Run(name, func(t *testing.T) {
			if got := explained(t, c.set, c.req, c.past, c.only...); !reflect.DeepEqual(got, c.want) {
				t.Errorf("%q\nwant %q", got, c.want)
			}
		})
	}
}

// What is asked for a page is not told of as asked at the door, and what it leaves behind keeps nobody from being asked there.
func TestExplainingIsNoReview(t *testing.T) {
	rego := "package slow\n\ndeny contains \"slow\" if { some i in numbers.range(1, 1000000); some j in numbers.range(1, 1000000); i * j < 0 }\n"
	heard := &counter{}
	set, err := Compile(t.Context(), []Spec{specOf(t, "slow", rego)}, WithObserver(heard))
	if err != nil {
		t.Fatal(err)
	}
	for range maxBehind + 2 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if fired, err := set.Explain(ctx, podCreate(t, pod), Past{}, func(string) bool { return true }); err != nil || len(fired) > 0 {
			t.Fatal(fired, err)
		}
		cancel()
	}
	policy := set.policies[0]
	if policy.behind.count.Load() > 0 || heard.asked > 0 {
		t.Errorf("%d evaluations count at the door, or it was told of %d times", policy.behind.count.Load(), heard.asked)
	}
	if left := policy.aside.behind.count.Load(); left > maxBehind+1 {
		t.Errorf("%d evaluations were left behind", left)
	}
}

type counter struct {
	nobody
	asked int
}

func (c *counter) Asked(string, time.Duration, error) { c.asked++ }

func TestTestsBesideAPolicyAreThoseOfNow(t *testing.T) {
	text := func(s string) func(*Spec) {
		return func(spec *Spec) { spec.Tests = []SourceText{{File: "a_test.rego", Text: []byte(s)}} }
	}
	const rego = "package a\n\ndeny contains \"a\" if false\n"
	engine := &Engine{}
	bundles := make(feed)
	reports, _ := running(t, engine, bundles)
	var before *ast.Compiler
	for _, tests := range []string{"one", "two"} {
		bundles <- Bundle{Specs: []Spec{specOf(t, "a", rego, text(tests))}}
		<-reports
		policy := engine.Set().policies[0]
		if got := string(policy.spec.Tests[0].Text); got != tests {
			t.Errorf("the tests are %q, want %q", got, tests)
		}
		if before != nil && policy.compiler != before {
			t.Error("it was compiled again")
		}
		before = policy.compiler
	}
}
