package match_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	. "github.com/portcullis-dev/portcullis/policies/gatekeeper/match"
)

func TestWildcard(t *testing.T) {
	for _, c := range []struct {
		card     Wildcard
		yes, not string
	}{
		{"web", "web", "web-1 a-web"},
		{"web-*", "web- web-1", "web a-web-1"},
		{"*-web", "-web a-web", "web a-web-1"},
		{"*web*", "web a-web web-1 a-web-1", "we-b"},
		{"*", "a", ""},
		{"**", "a", ""},
		{"", "", "a"},
		{"a:b", "a:b", "a"},
	} {
		for name := range strings.FieldsSeq(c.yes) {
			if !c.card.Covers(name) {
				t.Errorf("%q does not cover %q", c.card, name)
			}
		}
		for name := range strings.FieldsSeq(c.not) {
			if c.card.Covers(name) {
				t.Errorf("%q covers %q", c.card, name)
			}
		}
	}
}

func TestFaultyCriteria(t *testing.T) {
	for _, c := range []struct {
		criteria Criteria
		path     string
		want     string
	}{
		{Criteria{Source: "Nowhere"}, "source", `match.source "Nowhere" is none of All, Original and Generated`},
		{Criteria{Namespaces: []Wildcard{"a", "a*b"}}, "namespaces.1", `match.namespaces: "a*b" is not the name of anything; ` +
			"a name has lower case letters, digits and dashes, and may begin and end with an asterisk"},
		{Criteria{Name: "Web"}, "name", `match.name: "Web" is not the name of anything; ` +
			"a name has lower case letters, digits and dashes, and may begin and end with an asterisk"},
		{Criteria{LabelSelector: near()}, "labelSelector", `match.labelSelector: "Near" is not a valid label selector operator`},
		{Criteria{NamespaceSelector: near()}, "namespaceSelector", `match.namespaceSelector: "Near" is not a valid label selector operator`},
	} {
		_, err := c.criteria.Compile()
		var wrong *Error
		if !errors.As(err, &wrong) || err.Error() != c.want || strings.Join(wrong.Path, ".") != c.path {
			t.Errorf("got %v, want %s: %s", err, c.path, c.want)
		}
	}
}

func near() *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Near"}}}
}

func TestNeitherObject(t *testing.T) {
	m, err := Criteria{}.Compile()
	if err != nil {
		t.Fatal(err)
	}
	const want = "the request has neither an object nor an old one, so that it cannot be matched"
	if _, err := m.Holds(Review{}); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// world is what the table below is about, as a person would say it.
type world struct {
	c Criteria
	o Object
	r Review // without objects
	// selected is what the labels of the namespace say, and known whether they are.
	nsLabels map[string]string
	known    bool
}

var errUnknown = errors.New("unknown")

// row is one line of the table: when it applies, the criterion holds or does not, or it cannot be told. The first row of a criterion that
// applies decides.
type row struct {
	when func(w world) bool
	says string // "yes", "no", "unknown", or "listed": as the list says of the name
	name func(w world) string
}

func isNamespace(w world) bool   { return w.o.Group == "" && w.o.Kind == "Namespace" }
func always(world) bool          { return true }
func placed(w world) bool        { return w.r.Namespace != "" }
func declared(w world) bool      { return w.o.Namespace != "" }
func ownName(w world) string     { return w.o.Name }
func itsPlace(w world) string    { return w.r.Namespace }
func itsDeclared(w world) string { return w.o.Namespace }

// inside is which namespace the lists are about.
var inside = []row{
	{isNamespace, "listed", ownName},
	{placed, "listed", itsPlace},
	{declared, "listed", itsDeclared},
	{always, "nowhere", nil},
}

var scopes = map[string][]row{
	"Cluster":    {{isNamespace, "yes", nil}, {placed, "no", nil}, {declared, "no", nil}, {always, "yes", nil}},
	"Namespaced": {{isNamespace, "no", nil}, {placed, "yes", nil}, {declared, "yes", nil}, {always, "no", nil}},
	"":           {{always, "yes", nil}}, "*": {{always, "yes", nil}}, "cluster": {{always, "yes", nil}},
}

var namespaceLabels = []row{
	{func(w world) bool { return w.c.NamespaceSelector == nil }, "yes", nil},
	{isNamespace, "object", nil},
	{func(w world) bool { return !placed(w) && !declared(w) }, "yes", nil},
	{func(w world) bool { return !w.known }, "unknown", nil},
	{always, "namespace", nil},
}

var sources = []row{
	{func(w world) bool { return w.c.Source == "" || w.c.Source == All }, "yes", nil},
	{func(w world) bool { return w.r.Source == "" }, "unknown", nil},
	{func(w world) bool { return w.r.Source == w.c.Source }, "yes", nil},
	{always, "no", nil},
}

func first(rows []row, w world) row {
	return rows[slices.IndexFunc(rows, func(r row) bool { return r.when(w) })]
}

// covered is what a list of wildcards says, spelled out for the few that are drawn.
func covered(list []Wildcard, name string) bool {
	return slices.ContainsFunc(list, func(card Wildcard) bool {
		switch card {
		case "*":
			return true
		case "pro*":
			return strings.HasPrefix(name, "pro")
		case "*od":
			return strings.HasSuffix(name, "od")
		case "*e*":
			return strings.Contains(name, "e")
		}
		return string(card) == name
	})
}

// selects is what a selector of one label says.
func selects(s *metav1.LabelSelector, labels map[string]string) bool {
	return s == nil || len(s.MatchLabels) == 0 || labels["team"] == s.MatchLabels["team"]
}

// told is what the table says of one object.
func told(w world) string {
	kinds := len(w.c.Kinds) == 0
	for _, k := range w.c.Kinds {
		kinds = kinds || (len(k.Kinds) == 0 || k.Kinds[0] == "*" || slices.Contains(k.Kinds, w.o.Kind)) &&
			(len(k.APIGroups) == 0 || k.APIGroups[0] == "*" || slices.Contains(k.APIGroups, w.o.Group))
	}
	listed := func(list []Wildcard, otherwise bool) bool {
		at := first(inside, w)
		if len(list) == 0 || at.says == "nowhere" {
			return otherwise
		}
		return covered(list, at.name(w))
	}
	excluding := len(w.c.Processes) == 0 || slices.Contains(w.c.Processes, "*") || slices.Contains(w.c.Processes, w.r.Process)
	switch {
	case !kinds, first(scopes[w.c.Scope], w).says == "no", !listed(w.c.Namespaces, true),
		excluding && listed(w.c.ExcludedNamespaces, false), !selects(w.c.LabelSelector, w.o.Labels):
		return "no"
	}
	switch first(namespaceLabels, w).says {
	case "unknown":
		return "unknown"
	case "object":
		if !selects(w.c.NamespaceSelector, w.o.Labels) {
			return "no"
		}
	case "namespace":
		if !selects(w.c.NamespaceSelector, w.nsLabels) {
			return "no"
		}
	}
	ends := w.c.Name == "pro*" || w.c.Name == "*e*" || w.c.Name == "*" // with an asterisk
	if w.c.Name != "" && !covered([]Wildcard{w.c.Name}, w.o.Name) && (!ends || !covered([]Wildcard{w.c.Name}, w.o.GenerateName)) {
		return "no"
	}
	return first(sources, w).says
}

// criteria are each criterion by itself, and nil for all of them.
func criteria() []func(Criteria) Criteria {
	return []func(Criteria) Criteria{
		nil, nil, nil,
		func(c Criteria) Criteria { return Criteria{Source: c.Source} },
		func(c Criteria) Criteria { return Criteria{Scope: c.Scope} },
		func(c Criteria) Criteria { return Criteria{Kinds: c.Kinds} },
		func(c Criteria) Criteria { return Criteria{Namespaces: c.Namespaces} },
		func(c Criteria) Criteria {
			return Criteria{ExcludedNamespaces: c.ExcludedNamespaces, Processes: c.Processes}
		},
		func(c Criteria) Criteria { return Criteria{LabelSelector: c.LabelSelector} },
		func(c Criteria) Criteria { return Criteria{NamespaceSelector: c.NamespaceSelector} },
		func(c Criteria) Criteria { return Criteria{Name: c.Name} },
	}
}

func TestMatchIsWhatTheTableSays(t *testing.T) {
	names := []string{"", "default", "prod", "pro-1", "dev"}
	cards := []Wildcard{"default", "prod", "pro*", "*od", "*e*", "*"}
	drawnLabels := func(r *rapid.T) map[string]string {
		if team := rapid.SampledFrom([]string{"", "a", "b"}).Draw(r, "team"); team != "" {
			return map[string]string{"team": team}
		}
		return nil
	}
	drawnSelector := func(r *rapid.T) *metav1.LabelSelector {
		return rapid.SampledFrom([]*metav1.LabelSelector{nil, nil, {}, {MatchLabels: map[string]string{"team": "a"}}}).Draw(r, "selector")
	}
	drawnCards := func(r *rapid.T, label string) []Wildcard {
		return rapid.SliceOfN(rapid.SampledFrom(cards), 0, 2).Draw(r, label)
	}
	drawnObject := func(r *rapid.T) Object {
		gk := rapid.SampledFrom([][2]string{{"", "Pod"}, {"", "Namespace"}, {"apps", "Deployment"}, {"example.com", "Namespace"}}).Draw(r, "kind")
		return Object{
			Group: gk[0], Kind: gk[1], Name: rapid.SampledFrom(names).Draw(r, "name"),
			Namespace: rapid.SampledFrom(names).Draw(r, "namespace"), Labels: drawnLabels(r),
			GenerateName: rapid.SampledFrom([]string{"", "", "pro-", "prod", "e"}).Draw(r, "generateName"),
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		strings := rapid.SampledFrom([][]string{nil, {"*"}, {"Pod"}, {"Namespace", "Deployment"}, {""}, {"apps"}})
		w := world{
			c: Criteria{
				Source:             rapid.SampledFrom([]Source{"", "", All, Original, Generated}).Draw(r, "wanted source"),
				Scope:              rapid.SampledFrom([]string{"", "", "*", "Cluster", "Namespaced", "cluster"}).Draw(r, "scope"),
				Namespaces:         drawnCards(r, "namespaces"),
				ExcludedNamespaces: drawnCards(r, "excluded"),
				Processes:          rapid.SampledFrom([][]string{nil, nil, {"*"}, {"audit"}, {"webhook", "sync"}}).Draw(r, "processes"),
				LabelSelector:      drawnSelector(r), NamespaceSelector: drawnSelector(r),
				Name: rapid.SampledFrom(append([]Wildcard{"", "", ""}, cards...)).Draw(r, "wanted name"),
			},
			r: Review{
				Namespace: rapid.SampledFrom(names).Draw(r, "place"),
				Source:    rapid.SampledFrom([]Source{"", Original, Generated}).Draw(r, "source"),
				Process:   rapid.SampledFrom([]string{"webhook", "audit"}).Draw(r, "process"),
			},
			nsLabels: drawnLabels(r), known: rapid.Bool().Draw(r, "known"),
		}
		for range rapid.IntRange(0, 2).Draw(r, "kinds") {
			w.c.Kinds = append(w.c.Kinds, Kinds{APIGroups: strings.Draw(r, "groups"), Kinds: strings.Draw(r, "of kind")})
		}
		// All criteria together hold so seldom that the last of them would hardly ever decide.
		if only := rapid.SampledFrom(criteria()).Draw(r, "only"); only != nil {
			w.c = only(w.c)
		}
		m, err := w.c.Compile()
		if err != nil {
			r.Fatal(err)
		}
		w.r.Labels = func() (map[string]string, error) {
			if !w.known {
				return nil, errUnknown
			}
			return w.nsLabels, nil
		}
		objects := []Object{drawnObject(r), drawnObject(r)}
		var want string
		switch rapid.IntRange(0, 2).Draw(r, "which") {
		case 0:
			w.r.Object, w.o = &objects[0], objects[0]
			want = told(w)
		case 1:
			w.r.Old, w.o = &objects[1], objects[1]
			want = told(w)
		default: // either matching is a match
			w.r.Object, w.r.Old = &objects[0], &objects[1]
			w.o = objects[0]
			if want = told(w); want == "no" {
				w.o = objects[1]
				want = told(w)
			}
		}
		holds, err := m.Holds(w.r)
		got := map[bool]string{true: "yes", false: "no"}[holds]
		if err != nil {
			got = "unknown"
		}
		if got != want {
			r.Fatalf("%+v of %+v: %s (%v), want %s", w.c, w.r, got, err, want)
		}
	})
}
