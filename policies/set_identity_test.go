package policies

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/portcullis-dev/portcullis/review"
)

func TestNamespaces(t *testing.T) {
	selector, err := labels.Parse("tier=prod")
	if err != nil {
		t.Fatal(err)
	}
	selecting := specOf(t, "selecting", "package selecting\ndeny contains \"no\"", func(s *Spec) { s.Match.NamespaceLabels = selector })
	reading := specOf(t, "reading", "package reading\ndeny contains data.helper.name", func(s *Spec) { s.OnError = OnErrorWarn })
	// What another package reads for it counts.
	reading.Modules = append(reading.Modules, specOf(t, "helper", "package helper\nname := input.namespace.metadata.name").Modules...)
	object, err := ParseValue([]byte(`{"metadata":{"name":"shop","labels":{"tier":"prod"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		known map[string]Namespace
		want  string
	}{
		{"known", map[string]Namespace{"shop": {Labels: labels.Set{"tier": "prod"}, Object: object}}, "deny reading: shop; deny selecting: no"},
		{"other labels", map[string]Namespace{"shop": {Labels: labels.Set{"tier": "test"}, Object: object}}, "deny reading: shop"},
		{"unknown", nil, `warn reading: the policy could not be evaluated: namespace "shop": ` + errNotKnown.Error() + "; " +
			`deny selecting: the policy could not be evaluated: namespace "shop": the namespace is not known here (yet); ` +
			`serve learns of namespaces with --kubeconfig, review from Namespaces among the files`},
	} {
		t.Run(c.name, func(t *testing.T) {
			set, err := Compile(t.Context(), []Spec{reading, selecting}, WithNamespaces(func(name string) (Namespace, bool) {
				ns, ok := c.known[name]
				return ns, ok
			}))
			if err != nil {
				t.Fatal(err)
			}
			d, err := set.Review(t.Context(), podCreate(t, pod))
			var got []string
			for _, f := range d.Findings {
				got = append(got, string(f.Effect)+" "+f.String())
			}
			if err != nil || strings.Join(got, "; ") != c.want {
				t.Errorf("%q %v", got, err)
			}
		})
	}
}

func TestIdentities(t *testing.T) {
	user := func(id, value string) Spec {
		return specOf(t, id, "package "+id+"\nuser := "+value, at(review.Authenticate, "user"))
	}
	for _, c := range []struct {
		name    string
		specs   []Spec
		verdict review.Verdict
		user    string
	}{
		{"one", []Spec{user("a", `{"username": "jane", "groups": ["dev"]}`)}, review.Allow, "jane"},
		{"two alike", []Spec{user("a", `{"username": "jane"}`), user("b", `{"username": "jane"}`)}, review.Allow, "jane"},
		{"two apart", []Spec{user("a", `{"username": "jane"}`), user("b", `{"username": "john"}`)}, review.Deny, ""},
		{"two with other audiences", []Spec{user("a", `{"username": "jane"}`), user("b", `{"username": "jane", "audiences": ["x"]}`)}, review.Deny, ""},
		{"two with the same audiences", []Spec{user("a", `{"username": "jane", "audiences": ["x", "y"]}`), user("b", `{"username": "jane", "audiences": ["y", "x"]}`)}, review.Allow, "jane"},
		{"two apart, forgivingly", []Spec{user("a", `{"username": "jane"}`), forgiving(user("b", `{"username": "john"}`))}, review.Deny, ""},
		{"nobody's", []Spec{specOf(t, "a", "package a\nuser := {} if false", at(review.Authenticate, "user"))}, review.NoOpinion, ""},
		{"no name", []Spec{user("a", `{"groups": ["dev"]}`)}, review.Deny, ""},
		{"system user", []Spec{user("a", `{"username": "system:admin"}`)}, review.Deny, ""},
		{"system group", []Spec{user("a", `{"username": "jane", "groups": ["system:masters"]}`)}, review.Deny, ""},
		{"extra in capitals", []Spec{user("a", `{"username": "jane", "extra": {"A": ["b"]}}`)}, review.Deny, ""},
		{"no list", []Spec{user("a", `{"username": "jane", "groups": "dev"}`)}, review.Deny, ""},
		{"refused", []Spec{user("a", `{"username": "jane"}`), specOf(t, "b", "package b\ndeny contains \"revoked\"", at(review.Authenticate, "deny"))}, review.Deny, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			req, _, err := review.DialectAuthenticate([]byte(`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"t"}}`))
			if err != nil {
				t.Fatal(err)
			}
			d, err := compiled(t, c.specs...).Review(t.Context(), req)
			name := ""
			if d.Identity != nil {
				name = d.Identity.Username
			}
			if err != nil || d.Verdict != c.verdict || name != c.user {
				t.Errorf("%+v %v", d, err)
			}
		})
	}
}

// What a policy says a token is good for is held to what the review asks; saying nothing leaves it to the API server, and a token that is good
// for others only is left to other authenticators.
func TestAudiences(t *testing.T) {
	for _, c := range []struct {
		user, asked string
		want        string // the user's name and audiences, or the verdict
	}{
		{`{"username": "jane"}`, `[]`, "jane []"},
		{`{"username": "jane"}`, `["api"]`, "jane []"},
		{`{"username": "jane", "audiences": ["api", "vault"]}`, `[]`, "jane []"},
		{`{"username": "jane", "audiences": ["api", "vault"]}`, `["vault", "other", "api"]`, "jane [vault api]"},
		{`{"username": "jane", "audiences": {"vault"}}`, `["vault"]`, "jane [vault]"},
		{`{"username": "jane", "audiences": ["vault"]}`, `["api"]`, "no-opinion"},
		{`{"username": "jane", "audiences": []}`, `["api"]`, "no-opinion"},
		{`{"username": "jane", "audiences": []}`, `[]`, "no-opinion"},
	} {
		req, _, err := review.DialectAuthenticate([]byte(`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"t","audiences":` + c.asked + `}}`))
		if err != nil {
			t.Fatal(err)
		}
		set := compiled(t, specOf(t, "a", "package a\nuser := "+c.user, at(review.Authenticate, "user")))
		d, err := set.Review(t.Context(), req)
		got := d.Verdict.String()
		if d.Identity != nil {
			got = fmt.Sprint(d.Identity.Username, " ", d.Audiences)
		}
		if err != nil || got != c.want || (d.Verdict == review.Allow) != (d.Identity != nil) || d.Identity == nil && d.Audiences != nil {
			t.Errorf("%s for %s: %+v %v, want %s", c.user, c.asked, d, err, c.want)
		}
	}
}

func TestUsersThatAreFaults(t *testing.T) {
	for user, want := range map[string]string{
		`"jane"`:                                    "it returns string where a user should be an object",
		`{"username": "jane", "audience": []}`:      "it returns a user with a member that is none of username, uid, groups, extra and audiences",
		`{"username": "jane", "Audiences": []}`:     "it returns a user with a member that is none of username, uid, groups, extra and audiences",
		`{"username": 7}`:                           "it returns a user that is not {username, uid, groups, extra, audiences} with text, text, a list of texts, lists of texts by key and a list of texts",
		`{"username": "jane", "audiences": "api"}`:  "it returns a user whose audiences are not a list of texts that are not empty",
		`{"username": "jane", "audiences": null}`:   "it returns a user whose audiences are not a list of texts that are not empty",
		`{"username": "jane", "audiences": [7]}`:    "it returns a user whose audiences are not a list of texts that are not empty",
		`{"username": "jane", input.spec.token: 1}`: "it returns a user with a member that is none of username, uid, groups, extra and audiences",
		`{"username": "jane", "audiences": [""]}`:   "it returns a user whose audiences are not a list of texts that are not empty",
	} {
		req, _, err := review.DialectAuthenticate([]byte(`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"t"}}`))
		if err != nil {
			t.Fatal(err)
		}
		d, err := compiled(t, specOf(t, "a", "package a\nuser := "+user, at(review.Authenticate, "user"))).Review(t.Context(), req)
		if err != nil || d.Verdict != review.Deny || !d.Faulty() || d.Refusal() != "a: the policy could not be evaluated: "+want {
			t.Errorf("%s: %+v %v", user, d, err)
		}
	}
}

func forgiving(s Spec) Spec {
	s.OnError = OnErrorAllow
	return s
}
