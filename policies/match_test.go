package policies

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/portcullis-dev/portcullis/review"
)

func TestGlobs(t *testing.T) {
	for _, c := range []struct {
		glob, name string
		want       bool
	}{
		{"a", "a", true},
		{"a", "ab", false},
		{"a-*", "a-b", true},
		{"a-*", "a", false},
		{"*-a", "b-a", true},
		{"*a*", "bab", true},
		{"*a*", "b", false},
		{"*", "", true},
		{"*", "x", true},
	} {
		glob, err := ParseGlob(c.glob)
		if err != nil || glob.Match(c.name) != c.want {
			t.Errorf("%q against %q: %v %v", c.glob, c.name, !c.want, err)
		}
	}
	for _, bad := range []string{"", "a*b", "*a*b*"} {
		if _, err := ParseGlob(bad); err == nil {
			t.Errorf("%q was taken for a glob", bad)
		}
	}
}

func TestTheIndexFindsWhatConcernsARequest(t *testing.T) {
	specs := map[string][]Resource{
		"any":         nil,
		"everything":  {{Any: true}},
		"pods":        {{Resource: "pods"}},
		"exec":        {{Resource: "pods", Subresource: "exec"}},
		"apps":        {{Group: "apps"}},
		"deployments": {{Group: "apps", Resource: "deployments"}, {Group: "apps", Resource: "deployments"}},
	}
	var list []Spec
	for _, id := range []string{"any", "apps", "deployments", "everything", "exec", "pods"} {
		list = append(list, specOf(t, id, "package "+id+"\ndeny contains \"no\"", on(specs[id]...)))
	}
	off := specOf(t, "off", "package off\ndeny contains \"no\"", func(s *Spec) { s.Enforcement = EnforceOff })
	set := compiled(t, append(list, off)...)
	for _, c := range []struct {
		target review.Target
		want   []string
	}{
		{review.Target{Resource: "pods"}, []string{"any", "everything", "pods"}},
		{review.Target{Resource: "pods", Subresource: "exec"}, []string{"any", "exec"}},
		{review.Target{Resource: "pods", Subresource: "status"}, []string{"any"}},
		{review.Target{Resource: "configmaps"}, []string{"any", "everything"}},
		{review.Target{Group: "apps", Resource: "deployments"}, []string{"any", "apps", "deployments", "everything"}},
		{review.Target{Group: "apps", Resource: "replicasets"}, []string{"any", "apps", "everything"}},
		{review.Target{Group: "apps", Resource: "deployments", Subresource: "scale"}, []string{"any"}},
		{review.Target{Path: "/metrics"}, []string{"any"}},
	} {
		var got []string
		for _, a := range set.index.candidates(&review.Request{Stage: review.Validate, Target: c.target}) {
			got = append(got, a.spec.ID)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%v: got %v, want %v", c.target, got, c.want)
		}
	}
}

func TestAllOfAGroupIncludesSubresourcesOnlyToAGuard(t *testing.T) {
	for stage, want := range map[review.Stage]int{review.Guard: 1, review.Grant: 0, review.Validate: 0} {
		rule := map[review.Stage]string{review.Guard: "deny", review.Grant: "allow", review.Validate: "deny"}[stage]
		set := compiled(t, specOf(t, "a", "package a\n"+rule+" contains \"x\"", at(stage, rule), on(Resource{Group: "apps"})))
		req := &review.Request{Stage: stage, Target: review.Target{Group: "apps", Resource: "deployments", Subresource: "scale"}}
		if got := len(set.index.candidates(req)); got != want {
			t.Errorf("%s: %d policies are asked, want %d", stage, got, want)
		}
	}
}

func TestOperations(t *testing.T) {
	for _, c := range []struct {
		operations []string
		verb       string
		want       bool
	}{
		{nil, "delete", true},
		{[]string{"create", "update"}, "create", true},
		{[]string{"create", "update"}, "delete", false},
		{[]string{"create", "update"}, "", true}, // an ImageReview does not say what is done
	} {
		if got := (Match{Operations: c.operations}).concerns(&review.Request{Verb: c.verb}); got != c.want {
			t.Errorf("%v and %q: %v", c.operations, c.verb, got)
		}
	}
}

// A star in a question means everything. Whoever watches over a part of it is asked; whoever may give a part of it has nothing to give.
func TestStarsInAQuestion(t *testing.T) {
	specs := map[string]func(*Spec){
		"any":        on(),
		"everything": on(Resource{Any: true}),
		"apps":       on(Resource{Group: "apps"}),
		"core":       on(Resource{}),
		"exec":       on(Resource{Resource: "pods", Subresource: "exec"}),
		"pods":       on(Resource{Resource: "pods"}),
		"get":        func(s *Spec) { s.Match.Operations = []string{"get"} },
	}
	const all = "any apps core everything exec get pods"
	for _, c := range []struct {
		verb         string
		target       review.Target
		guard, grant string
	}{
		{"get", review.Target{Resource: "*"}, all, "any core everything get"},
		{"get", review.Target{Group: "apps", Resource: "*"}, all, "any apps everything get"},
		{"get", review.Target{Group: "*", Resource: "*"}, all, "any everything get"},
		{"get", review.Target{Group: "*", Resource: "pods"}, all, "any everything get"},
		{"get", review.Target{Resource: "pods", Subresource: "*"}, all, "any get"},
		{"get", review.Target{Resource: "*", Subresource: "exec"}, all, "any get"},
		{"get", review.Target{Resource: "*", Subresource: "*"}, all, "any get"},
		{"get", review.Target{Group: "*", Resource: "pods", Subresource: "exec"}, all, "any get"},
		{"get", review.Target{Group: "*", Resource: "*", Subresource: "*"}, all, "any get"},
		{"get", review.Target{Path: "*"}, "any get", "any get"},
		{"get", review.Target{Path: "/*"}, "any get", "any get"},
		{"*", review.Target{Path: "/metrics"}, "any get", "any"},
		{"*", review.Target{Resource: "pods"}, "any core everything get pods", "any core everything pods"},
		{"*", review.Target{Group: "*", Resource: "*"}, all, "any everything"},
		{"*", review.Target{Group: "*", Resource: "*", Subresource: "*"}, all, "any"},
		{"", review.Target{Resource: "pods"}, "any core everything get pods", "any core everything pods"},
	} {
		for _, stage := range []review.Stage{review.Guard, review.Grant} {
			rule, want := "deny", c.guard
			if stage == review.Grant {
				rule, want = "allow", c.grant
			}
			var list []Spec
			for id, match := range specs {
				list = append(list, specOf(t, id, "package "+id+"\n"+rule+" contains \"x\"", at(stage, rule), match))
			}
			asked, unknown := compiled(t, list...).match(t.Context(), &review.Request{Stage: stage, Verb: c.verb, Target: c.target}, nil, Past{}, nil)
			var got []string
			for _, a := range asked {
				got = append(got, a.spec.ID)
			}
			if strings.Join(got, " ") != want || len(unknown) > 0 {
				t.Errorf("%s, may I %q %+v: asked are %v, want %s", stage, c.verb, c.target, got, want)
			}
		}
	}
}

func TestMatchConditions(t *testing.T) {
	selector := func(text string) labels.Selector {
		s, err := labels.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	labelled := review.Raw(`{"spec":{"metadata":{"labels":{"app":"no"}}},"metadata":{"name":"x","labels":{"app":"web"}}}`)
	bare := review.Raw(`{"metadata":{"name":"x"}}`)
	inShop := review.Target{Resource: "pods", Namespace: "shop"}
	for _, c := range []struct {
		name  string
		match Match
		req   review.Request
		want  bool
	}{
		{"nothing asked", Match{}, review.Request{Target: inShop}, true},
		{"namespace", Match{Namespaces: []Glob{"shop"}}, review.Request{Target: inShop}, true},
		{"other namespace", Match{Namespaces: []Glob{"bank"}}, review.Request{Target: inShop}, false},
		{"all namespaces, to a guard", Match{Namespaces: []Glob{"vault"}}, review.Request{Stage: review.Guard, Target: review.Target{Resource: "secrets"}}, true},
		{"all namespaces, to a grant", Match{Namespaces: []Glob{"shop"}}, review.Request{Stage: review.Grant, Target: review.Target{Resource: "pods"}}, false},
		{"all namespaces, to a grant that leaves one out", Match{ExcludeNamespaces: []Glob{"vault"}}, review.Request{Stage: review.Grant, Target: review.Target{Resource: "pods"}}, false},
		{"all namespaces, to a grant for labelled ones", Match{NamespaceLabels: selector("team")}, review.Request{Stage: review.Grant, Target: review.Target{Resource: "pods"}}, false},
		{"all namespaces, to a guard of labelled ones", Match{NamespaceLabels: selector("team")}, review.Request{Stage: review.Guard, Target: review.Target{Resource: "pods"}}, true},
		{"a path, to a guard", Match{Namespaces: []Glob{"vault"}}, review.Request{Stage: review.Guard, Target: review.Target{Path: "/metrics"}}, false},
		{"no namespace", Match{Namespaces: []Glob{"*"}}, review.Request{Target: review.Target{Resource: "nodes"}}, false},
		{"the Namespace itself", Match{Namespaces: []Glob{"shop"}}, review.Request{Target: review.Target{Resource: "namespaces", Name: "shop"}}, true},
		{"excluded", Match{ExcludeNamespaces: []Glob{"s*"}}, review.Request{Target: inShop}, false},
		{"excluded does not touch what has none", Match{ExcludeNamespaces: []Glob{"*"}}, review.Request{Target: review.Target{Resource: "nodes"}}, true},
		{"label", Match{Labels: selector("app=web")}, review.Request{Target: inShop, Object: labelled}, true},
		{"label taken away", Match{Labels: selector("app=web")}, review.Request{Target: inShop, Object: bare, OldObject: labelled}, true},
		{"label elsewhere", Match{Labels: selector("app=no")}, review.Request{Target: inShop, Object: labelled}, false},
		{"no label, none wanted", Match{Labels: selector("!app")}, review.Request{Target: inShop, Object: bare}, true},
		{"user", Match{Users: []Glob{"jane"}}, review.Request{User: review.User{Username: "jane"}}, true},
		{"group", Match{Users: []Glob{"jane"}, Groups: []Glob{"dev-*"}}, review.Request{User: review.User{Username: "john", Groups: []string{"dev-a"}}}, true},
		{"neither", Match{Users: []Glob{"jane"}}, review.Request{User: review.User{Username: "john"}}, false},
		{"the Namespace's own labels", Match{NamespaceLabels: selector("app=web")}, review.Request{Target: review.Target{Resource: "namespaces", Name: "x"}, Object: labelled}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.match.covers(&c.req, func() (Namespace, error) { return Namespace{}, errNotKnown })
			if err != nil || got != c.want {
				t.Errorf("%v %v", got, err)
			}
		})
	}
}

func TestLabelsThatCannotBeReadAreAFault(t *testing.T) {
	for _, object := range []review.Raw{review.Raw(`{"metadata":{"labels":{"app":1}}}`), review.Raw(`{"metadata":`)} {
		m := Match{Labels: labels.Everything()}
		if _, err := m.covers(&review.Request{Object: object}, nil); err == nil {
			t.Errorf("%s passed", string(object))
		}
	}
}
