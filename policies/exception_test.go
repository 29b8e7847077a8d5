package policies

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"pgregory.net/rapid"

	"github.com/portcullis-dev/portcullis/review"
)

func midnight() time.Time { return time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC) }

// exception is one that holds for podCreate's Pod.
func exception(change ...func(*Exception)) Exception {
	e := Exception{
		Namespace: "shop", Name: "legacy", Policies: []string{"a"}, Match: Match{Resources: []Resource{{Resource: "pods"}}, Operations: []string{"create"}},
		Reason: "it goes in spring", Expires: midnight().Add(time.Hour), Digest: "1",
	}
	for _, c := range change {
		c(&e)
	}
	return e
}

func excepting(t testing.TB, specs []Spec, list ...Exception) *Set {
	t.Helper()
	set, err := Compile(t.Context(), specs, WithExceptions(list), WithClock(midnight))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestAnExceptedFindingIsReportedAndRefusesNothing(t *testing.T) {
	set := excepting(t, []Spec{
		specOf(t, "a", "package a\ndeny contains \"a\"\nwarn contains \"mind\""), specOf(t, "b", "package b\ndeny contains \"b\""),
	}, exception())
	d, err := set.Review(t.Context(), podCreate(t, pod))
	if err != nil || d.Verdict != review.Deny || d.Refusal() != "b: b" || len(d.Warnings()) > 0 {
		t.Errorf("%+v %v", d, err)
	}
	for _, f := range d.Findings[:2] {
		if f.Effect != review.EffectExcepted || f.Exception == nil || f.Exception.Name != "shop/legacy" || !f.Exception.Expires.Equal(midnight().Add(time.Hour)) {
			t.Errorf("%+v", f)
		}
	}
	if got := d.Findings[0].String(); got != "a: a (excepted by shop/legacy until 2027-01-01: it goes in spring)" {
		t.Error(got)
	}
}

func TestWhatAnExceptionCovers(t *testing.T) {
	selector := func(text string) labels.Selector {
		out, err := labels.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	generated := func(r *review.Request) {
		r.Target.Name, r.Object = "", review.Raw(`{"metadata":{"generateName":"web-"}}`)
	}
	for name, c := range map[string]struct {
		exception func(*Exception)
		request   func(*review.Request)
		want      bool
	}{
		"as it is":                        {want: true},
		"another policy":                  {exception: func(e *Exception) { e.Policies = []string{"b"} }},
		"expired":                         {exception: func(e *Exception) { e.Expires = midnight() }},
		"no end":                          {exception: func(e *Exception) { e.Expires = time.Time{} }},
		"no policy":                       {exception: func(e *Exception) { e.Policies = nil }},
		"no resource":                     {exception: func(e *Exception) { e.Match.Resources = nil }},
		"any resource":                    {exception: func(e *Exception) { e.Match.Resources = []Resource{{Any: true}} }, want: true},
		"all of the group":                {exception: func(e *Exception) { e.Match.Resources = []Resource{{}} }, want: true},
		"all of another group":            {exception: func(e *Exception) { e.Match.Resources = []Resource{{Group: "apps"}} }},
		"another resource":                {exception: func(e *Exception) { e.Match.Resources = []Resource{{Resource: "services"}} }},
		"a subresource":                   {request: func(r *review.Request) { r.Target.Subresource = "exec" }},
		"any resource, and a subresource": {exception: func(e *Exception) { e.Match.Resources = []Resource{{Any: true}} }, request: func(r *review.Request) { r.Target.Subresource = "exec" }},
		"another operation":               {request: func(r *review.Request) { r.Verb = "update" }},
		"another namespace":               {request: func(r *review.Request) { r.Target.Namespace = "prod" }},
		"no namespace":                    {request: func(r *review.Request) { r.Target.Namespace = "" }, exception: func(e *Exception) { e.Namespace = "" }},
		"the namespace itself": {
			exception: func(e *Exception) { e.Match.Resources = []Resource{{Any: true}} },
			request:   func(r *review.Request) { r.Target.Resource, r.Target.Name = "namespaces", "shop" },
		},
		"its name":             {exception: func(e *Exception) { e.Names = []Glob{"web"} }, want: true},
		"another name":         {exception: func(e *Exception) { e.Names = []Glob{"api", "web-*"} }},
		"what will begin so":   {exception: func(e *Exception) { e.Names = []Glob{"web-*"} }, request: generated, want: true},
		"what may end so":      {exception: func(e *Exception) { e.Names = []Glob{"*-"} }, request: generated},
		"what may be so":       {exception: func(e *Exception) { e.Names = []Glob{"web-"} }, request: generated},
		"its label":            {exception: func(e *Exception) { e.Match.Labels = selector("app=web") }, want: true},
		"another label":        {exception: func(e *Exception) { e.Match.Labels = selector("app=api") }},
		"labels that are torn": {exception: func(e *Exception) { e.Match.Labels = selector("app=web") }, request: func(r *review.Request) { r.Object = review.Raw(`{"metadata":{"labels":{"app":1}}}`) }},
		"a label that is taken away": {
			exception: func(e *Exception) { e.Match.Labels, e.Match.Operations = selector("app=web"), nil },
			request:   func(r *review.Request) { r.OldObject, r.Object = r.Object, review.Raw(`{"metadata":{"name":"web"}}`) },
		},
		"the label of what is deleted": {
			exception: func(e *Exception) { e.Match.Labels, e.Match.Operations = selector("app=web"), nil },
			request:   func(r *review.Request) { r.Verb, r.OldObject, r.Object = "delete", r.Object, nil }, want: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			e, req := exception(), podCreate(t, pod)
			if c.exception != nil {
				c.exception(&e)
			}
			if c.request != nil {
				c.request(req)
			}
			d, err := excepting(t, []Spec{specOf(t, "a", "package a\ndeny contains \"a\"")}, e).Review(t.Context(), req)
			if want := review.Verdict(review.Deny); err != nil || (d.Verdict != want) != c.want {
				t.Errorf("%v %v", d.Verdict, err)
			}
		})
	}
}

func TestExceptionsHoldAtAdmissionAlone(t *testing.T) {
	for _, stage := range []review.Stage{review.Guard, review.Image, review.Authenticate} {
		req := podCreate(t, pod)
		req.Stage = stage
		d, err := excepting(t, []Spec{specOf(t, "a", "package a\ndeny contains \"a\"", at(stage, "deny"))}, exception()).Review(t.Context(), req)
		if err != nil || d.Verdict != review.Deny {
			t.Errorf("%s: %v %v", stage, d.Verdict, err)
		}
	}
}

func TestAFaultOfAnExceptedPolicyIsExcepted(t *testing.T) {
	set := excepting(t, []Spec{specOf(t, "a", "package a\ndeny contains 7 if true")}, exception())
	d, err := set.Review(t.Context(), podCreate(t, pod))
	if err != nil || d.Verdict != review.Allow || len(d.Findings) != 1 || !d.Findings[0].Fault || d.Findings[0].Effect != review.EffectExcepted {
		t.Errorf("%+v %v", d, err)
	}
}

func TestEditsOfAnExceptedPolicyAreNotMade(t *testing.T) {
	mutate := func(id string) Spec {
		return specOf(t, id, "package "+id+"\nmutate contains {\"set\": [\"spec\", \""+id+"\"], \"value\": 1}", at(review.Mutate, "mutate"))
	}
	req := podCreate(t, pod)
	req.Stage = review.Mutate
	d, err := excepting(t, []Spec{mutate("a"), mutate("b")}, exception()).Review(t.Context(), req)
	if err != nil || len(d.Edits) != 1 || d.Edits[0].Policy != "b" || len(d.Findings) != 1 ||
		d.Findings[0].String() != "a: edits that are not made: 1 (excepted by shop/legacy until 2027-01-01: it goes in spring)" {
		t.Errorf("%+v %v", d, err)
	}
}

func TestExceptionsAreOfTheRevision(t *testing.T) {
	specs := []Spec{specOf(t, "a", "package a\ndeny contains \"a\"")}
	other := exception(func(e *Exception) { e.Digest = "2" })
	none, one, two := excepting(t, specs).Revision(), excepting(t, specs, exception()).Revision(), excepting(t, specs, other).Revision()
	if none == one || one == two || none != compiled(t, specs...).Revision() {
		t.Error(none, one, two)
	}
}

// Two exceptions together except what the one excepts and what the other does, and nothing that neither does.
func TestExceptionsDoNotAddUp(t *testing.T) {
	ids := []string{"a", "b"}
	specs := []Spec{specOf(t, "a", "package a\ndeny contains \"a\""), specOf(t, "b", "package b\ndeny contains \"b\"")}
	drawn := rapid.Custom(func(r *rapid.T) Exception {
		some := func(label string, of ...string) []string {
			return rapid.SliceOfNDistinct(rapid.SampledFrom(of), 0, len(of), rapid.ID[string]).Draw(r, label)
		}
		e := exception(func(e *Exception) {
			e.Namespace = rapid.SampledFrom([]string{"shop", "prod"}).Draw(r, "namespace")
			e.Policies = some("policies", ids...)
			e.Match.Operations = some("operations", "create", "update")
			e.Match.Resources = nil
		})
		for _, plural := range some("resources", "pods", "services") {
			e.Match.Resources = append(e.Match.Resources, Resource{Resource: plural})
		}
		for _, name := range some("names", "web", "w*", "api") {
			e.Names = append(e.Names, Glob(name))
		}
		if value := rapid.SampledFrom([]string{"", "web", "api"}).Draw(r, "label"); value != "" {
			e.Match.Labels = labels.SelectorFromSet(labels.Set{"app": value})
		}
		return e
	})
	rapid.Check(t, func(r *rapid.T) {
		one, two := drawn.Draw(r, "one"), drawn.Draw(r, "two")
		req := podCreate(t, pod)
		req.Verb = rapid.SampledFrom([]string{"create", "update"}).Draw(r, "verb")
		req.Target.Name = rapid.SampledFrom([]string{"web", "wind", "api"}).Draw(r, "name")
		req.Target.Resource = rapid.SampledFrom([]string{"pods", "services"}).Draw(r, "resource")
		excepted := func(list ...Exception) []string {
			d, err := excepting(t, specs, list...).Review(t.Context(), req)
			if err != nil {
				r.Fatal(err)
			}
			var out []string
			for _, f := range d.Findings {
				if f.Effect == review.EffectExcepted {
					out = append(out, f.Policy)
				}
			}
			return out
		}
		alone := append(excepted(one), excepted(two)...)
		slices.Sort(alone)
		if got := excepted(one, two); strings.Join(got, " ") != strings.Join(slices.Compact(alone), " ") {
			r.Fatal(fmt.Sprintf("together %v, alone %v", got, alone))
		}
	})
}
