package policies

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/portcullis-dev/portcullis/review"
)

// saidThen is what a set says of a request of the past: nothing, its word, or that it is unknown.
func saidThen(t *testing.T, set *Set, req *review.Request, past Past) string {
	t.Helper()
	d, err := set.Review(InThePast(t.Context(), past), req)
	switch {
	case err != nil:
		t.Fatal(err)
	case len(d.Findings) == 0:
		return ""
	case d.Findings[0].Unknown:
		return "unknown"
	}
	return string(d.Findings[0].Effect)
}

// Whether a policy was asked may depend on what is not known. It matters only if it has something to say.
func TestWhoMayHaveBeenAsked(t *testing.T) {
	const says, silent = "package a\ndeny contains \"no\" if input.request.object.metadata.name", "package a\ndeny contains \"no\" if input.request.object.metadata.name == \"other\""
	changes := func(s *Spec) { s.Match.Changes = []Path{"metadata.labels"} }
	going := strings.ReplaceAll(string(secretUpdate(t).Body), `"name":"s",`, `"name":"s","deletionTimestamp":"2026-01-02T03:04:05Z","finalizers":["a/b"],`)
	leaving, _, err := review.DialectValidate([]byte(strings.ReplaceAll(going, `"labels":{"a":"old"}`, `"labels":{"a":"new"}`)))
	if err != nil {
		t.Fatal(err)
	}
	leaving = leaving.WithObject(leaving.OldObject)
	same := secretUpdate(t)
	same = same.WithObject(same.OldObject)
	for name, c := range map[string]struct {
		rego    string
		with    func(*Spec)
		req     *review.Request
		unknown string
		want    string
	}{
		"what changed is known":                  {says, changes, secretUpdate(t), "/request/object/data", "deny"},
		"nothing changed":                        {says, changes, same, "/request/options", ""},
		"what changed is not known":              {says, changes, same, "/request/oldObject", "unknown"},
		"what changed is not known, and no word": {silent, changes, same, "/request/oldObject", ""},
		"it goes":                                {says, func(*Spec) {}, leaving, "/request/options", ""},
		"it may go":                              {says, func(*Spec) {}, leaving, "/request/oldObject", "unknown"},
		"it may go, and no word":                 {silent, func(*Spec) {}, leaving, "/request/oldObject", ""},
	} {
		set := compiled(t, specOf(t, "a", c.rego, c.with))
		if got := saidThen(t, set, c.req, Past{Unknown: []string{c.unknown}}); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// Whether an exception lifts what a policy says may depend on what is not known, too.
func TestWhichExceptionsHeld(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	secrets := Match{Resources: []Resource{{Resource: "secrets"}}}
	labelled := secrets
	labelled.Labels, _ = labels.Parse("a=new")
	for name, c := range map[string]struct {
		exception Exception
		unknown   string
		want      string
	}{
		"by labels":                     {Exception{Match: labelled}, "/request/object/data", "excepted"},
		"by labels that are not known":  {Exception{Match: labelled}, "/request/object/metadata/labels/a", "unknown"},
		"by a name":                     {Exception{Match: secrets, Names: []Glob{"s"}}, "/request/object/metadata/labels/a", "excepted"},
		"by a name that is not known":   {Exception{Match: secrets, Names: []Glob{"t"}}, "/request/name", "unknown"},
		"whatever the name is":          {Exception{Match: secrets}, "/request/name", "excepted"},
		"another policy's, by labels":   {Exception{Match: labelled, Policies: []string{"b"}}, "/request/object/metadata/labels/a", "deny"},
		"one that had ended, by labels": {Exception{Match: labelled, Expires: at}, "/request/object/metadata/labels/a", "deny"},
	} {
		e := c.exception
		e.Namespace, e.Name = "shop", "e"
		if e.Policies == nil {
			e.Policies = []string{"a"}
		}
		if e.Expires.IsZero() {
			e.Expires = at.Add(time.Hour)
		}
		set, err := Compile(t.Context(), []Spec{specOf(t, "a", "package a\ndeny contains \"no\""), specOf(t, "b", "package b\ndeny contains \"no\" if false")}, WithExceptions([]Exception{e}))
		if err != nil {
			t.Fatal(err)
		}
		if got := saidThen(t, set, secretUpdate(t), Past{At: at, Unknown: []string{c.unknown}}); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
