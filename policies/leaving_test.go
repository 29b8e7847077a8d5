package policies

import (
	"fmt"
	"testing"

	"github.com/portcullis-dev/portcullis/review"
)

// updateOf reads the review of an update of a resource, "services/status".
func updateOf(t *testing.T, kind, resource, subresource, old, object string) *review.Request {
	t.Helper()
	return admissionOf(t, fmt.Sprintf(`"kind":{"group":"","version":"v1","kind":%q},"resource":{"group":"","version":"v1","resource":%q},
		"subResource":%q,"namespace":"shop","name":"web","operation":"UPDATE","userInfo":{"username":"jane"},"oldObject":%s,"object":%s`,
		kind, resource, subresource, old, object))
}

// What is being deleted may go, whatever policies say of it; whatever else is changed in it is judged as ever.
func TestWhatIsBeingDeletedMayGo(t *testing.T) {
	set := compiled(t, specOf(t, "a", "package a\ndeny contains \"no\" if true\nwarn contains \"hm\" if true"))
	const (
		refused = "deny [a (deny): no; a (warn): hm]"
		passed  = "allow []"
		dying   = `{"metadata":{"name":"web","resourceVersion":"1","generation":2,"managedFields":[{"a":1}],"labels":{"a":"b"},
			"deletionTimestamp":"2026-01-02T03:04:05Z","finalizers":["a/b","c/d"]},"spec":{"n":9007199254740993},"status":{"phase":"A"}}`
		head = `{"metadata":{"name":"web","labels":{"a":"b"},"deletionTimestamp":"2026-01-02T03:04:05Z"`
		tail = `},"spec":{"n":9007199254740993},"status":{"phase":"A"}}`
	)
	for name, test := range map[string]struct{ old, object, want string }{
		"one finalizer is taken away":   {dying, head + `,"finalizers":["c/d"]` + tail, passed},
		"all finalizers":                {dying, head + tail, passed},
		"all, and an empty list left":   {dying, head + `,"finalizers":[]` + tail, passed},
		"all, and null left":            {dying, head + `,"finalizers":null` + tail, passed},
		"nothing changes":               {dying, dying, passed},
		"the API server's own notes":    {dying, head + `,"resourceVersion":"9","generation":3,"managedFields":[]` + tail, passed},
		"the status":                    {dying, head + `},"spec":{"n":9007199254740993}}`, passed},
		"a finalizer is added":          {dying, head + `,"finalizers":["c/d","e/f"]` + tail, refused},
		"a finalizer that is no text":   {dying, head + `,"finalizers":[["c/d"]]` + tail, refused},
		"finalizers that are no list":   {dying, head + `,"finalizers":"c/d"` + tail, refused},
		"an annotation is added":        {dying, head + `,"annotations":{"a":"b"}` + tail, refused},
		"a label is taken away":         {dying, `{"metadata":{"name":"web","deletionTimestamp":"2026-01-02T03:04:05Z"` + tail, refused},
		"the spec":                      {dying, head + `},"spec":{"n":1},"status":{"phase":"A"}}`, refused},
		"the spec by the last digit":    {dying, head + `},"spec":{"n":9007199254740992},"status":{"phase":"A"}}`, refused},
		"what is neither":               {dying, head + `},"data":{},"spec":{"n":9007199254740993},"status":{"phase":"A"}}`, refused},
		"it only says that it is going": {head[:len(`{"metadata":{"name":"web"`)] + `,"finalizers":["a/b"]` + tail, head + tail, refused},
		"a label of that name": {
			`{"metadata":{"name":"web","labels":{"deletionTimestamp":"x"},"finalizers":["a/b"]}}`,
			`{"metadata":{"name":"web","labels":{"deletionTimestamp":"x"}}}`, refused,
		},
		"the time is null":          {`{"metadata":{"deletionTimestamp":null,"finalizers":["a/b"]}}`, `{"metadata":{"deletionTimestamp":null}}`, refused},
		"the metadata is no object": {`{"metadata":["deletionTimestamp"],"deletionTimestamp":""}`, `{"metadata":["deletionTimestamp"]}`, refused},
		"spec.finalizers of what is no Namespace": {
			`{"metadata":{"deletionTimestamp":"x"},"spec":{"finalizers":["kubernetes"]}}`, `{"metadata":{"deletionTimestamp":"x"},"spec":{}}`, refused,
		},
	} {
		if got := verdict(t, set, updateOf(t, "Pod", "pods", "", test.old, test.object)); got != test.want {
			t.Errorf("%s: got %s, want %s", name, got, test.want)
		}
	}
	namespace := updateOf(t, "Namespace", "namespaces", "finalize", `{"metadata":{"deletionTimestamp":"x"},"spec":{"finalizers":["kubernetes"]}}`,
		`{"metadata":{"deletionTimestamp":"x"},"spec":{}}`)
	if got := verdict(t, set, namespace); got != passed {
		t.Errorf("a Namespace that is finalized: got %s", got)
	}
	deletion := admissionOf(t, aboutPods+`"operation":"DELETE","userInfo":{},"object":null,"oldObject":`+dying)
	if got := verdict(t, set, deletion); got != refused {
		t.Errorf("its deletion, once more: got %s", got)
	}
}

// A policy that names a status is about what is written there, as the addresses of a Service, for as long as the object is there.
func TestAStatusIsJudgedWhereAPolicyNamesIt(t *testing.T) {
	const rego = "package a\ndeny contains \"no\" if true"
	dying := func(rest string) string {
		return `{"metadata":{"deletionTimestamp":"x","finalizers":["a/b"]}` + rest + `}`
	}
	request := func(object string) *review.Request {
		return updateOf(t, "Service", "services", "status", dying(`,"status":{"a":1}`), object)
	}
	named := compiled(t, specOf(t, "a", rego, on(Resource{Resource: "services", Subresource: "status"})))
	any := compiled(t, specOf(t, "a", rego))
	for _, test := range []struct {
		name, object string
		set          *Set
		want         string
	}{
		{"the status is named", dying(`,"status":{"a":2}`), named, "deny [a (deny): no]"},
		{"it is named, and as it was", `{"metadata":{"deletionTimestamp":"x"},"status":{"a":1}}`, named, "allow []"},
		{"all subresources are meant", dying(`,"status":{"a":2}`), any, "allow []"},
	} {
		if got := verdict(t, test.set, request(test.object)); got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
}

// Gatekeeper asks its constraints about what is being deleted as about anything else.
func TestConstraintsAreAskedAboutWhatIsBeingDeleted(t *testing.T) {
	set := compiled(t, violationOf(t, "a", "package template\nviolation[{\"msg\": \"no\"}] { true }"))
	req := updateOf(t, "Pod", "pods", "", `{"metadata":{"deletionTimestamp":"x","finalizers":["a/b"]}}`, `{"metadata":{"deletionTimestamp":"x"}}`)
	if got := verdict(t, set, req); got != "deny [a (deny): no]" {
		t.Error(got)
	}
}
