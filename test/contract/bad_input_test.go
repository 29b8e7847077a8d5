package contract

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/review"
	"github.com/portcullis-dev/portcullis/test/props"
)

// The smallest reviews each endpoint takes, for tests to spoil.
const (
	tokenReview  = `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"a-session-of-jane"}}`
	accessReview = `{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","spec":{"user":"jane","resourceAttributes":{"verb":"get","resource":"pods"}}}`
	imageReview  = `{"apiVersion":"imagepolicy.k8s.io/v1alpha1","kind":"ImageReview","spec":{"containers":[{"image":"a"}]}}`
	podAdmission = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","operation":"CREATE","kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},"object":{"metadata":{"name":"web"}}}}`
)

var endpoints = map[string]string{
	"/authenticate": tokenReview, "/authorize/guard": accessReview, "/authorize/grant": accessReview,
	"/mutate": podAdmission, "/validate": podAdmission, "/image": imageReview,
}

// askedAbout is a bundle with a policy at every endpoint, so that whatever is evaluated is noticed.
var askedAbout = files{
	"admission.rego": policy("admission", "{resources: ['*'], operations: ['*']}", "deny contains \"no\"\n\nmutate contains {\"set\": [\"x\"], \"value\": 1}"),
	"token.rego":     policy("token", "{}", "user := {\"username\": \"jane\"}"),
	"guard.rego":     policy("guard", "{stage: guard}", "deny contains \"no\""),
	"grant.rego":     policy("grant", "{stage: grant}", "allow contains \"yes\""),
	"image.rego":     policy("image", "{stage: image}", "deny contains \"no\""),
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func method(name string) func(*http.Request) { return func(r *http.Request) { r.Method = name } }

// What is wrong in the same way everywhere is refused in the same words everywhere.
func TestWhatIsNoReviewIsRefusedInWordsAndAsksNoPolicy(t *testing.T) {
	s := serve(t, askedAbout)
	type spoiled func(body string) string
	same := func(body string) string { return body }
	instead := func(text string) spoiled { return func(string) string { return text } }
	const kind = "*" // stands for the endpoint's kind
	for _, c := range []struct {
		name    string
		spoil   spoiled
		change  func(*http.Request)
		code    int
		reason  string
		message string
	}{
		{"empty", instead(""), nil, 400, "BadRequest", "the * cannot be read: at byte 0: the document ends where an object should stand"},
		{"no JSON", instead("apiVersion: v1"), nil, 400, "BadRequest", "the * cannot be read: at byte 0: unexpected character 'a'"},
		{"a list", instead("[]"), nil, 400, "BadRequest", "the * cannot be read: at byte 0: an object should stand here, not an array"},
		{"cut short", instead(`{"kind":"`), nil, 400, "BadRequest", "the * cannot be read: kind: at byte 9: the document ends inside a string"},
		{"two documents", func(b string) string { return b + "{}" }, nil, 400, "BadRequest", ""},
		{"a member twice", instead(`{"kind":"a","kind":"b"}`), nil, 400, "BadRequest", `the * cannot be read: at byte 12: the member "kind" stands twice in one object`},
		{"a member twice, where nobody looks", instead(`{"x":{"a":1,"a":2}}`), nil, 400, "BadRequest", `the * cannot be read: *: at byte 12: the member "a" stands twice in one object`},
		{"nested deeply", instead(`{"x":` + strings.Repeat("[", 600) + strings.Repeat("]", 600) + `}`), nil, 400, "BadRequest", "the * cannot be read: *: at byte 516: more than 512 levels of nesting"},
		{"not UTF-8", instead("{\"kind\":\"\xff\"}"), nil, 400, "BadRequest", "the * cannot be read: kind: at byte 10: a string is not valid UTF-8"},
		{"wrongly typed", instead(`{"kind":5}`), nil, 400, "BadRequest", "the * cannot be read: kind: at byte 8: a string should stand here, not a number"},
		{"another kind", instead(`{"apiVersion":"v1","kind":"Pod"}`), nil, 400, "BadRequest", `kind is "Pod" where * is served`},
		{"an unknown version", func(b string) string { return strings.NewReplacer("/v1alpha1", "/v9", "/v1", "/v9").Replace(b) }, nil, 400, "BadRequest", ""},
		{"a capital", func(b string) string { return strings.Replace(b, "apiVersion", "apiversion", 1) }, nil, 400, "BadRequest", "the * cannot be read: apiVersion should be spelled apiVersion"},
		{"YAML by name", same, header("Content-Type", "application/yaml"), 415, "UnsupportedMediaType", "the content type should be application/json, in UTF-8 and not compressed"},
		{"no content type", same, func(r *http.Request) { r.Header.Del("Content-Type") }, 415, "UnsupportedMediaType", "the content type should be application/json, in UTF-8 and not compressed"},
		{"compressed", same, header("Content-Encoding", "gzip"), 415, "UnsupportedMediaType", "the content type should be application/json, in UTF-8 and not compressed"},
		{"read instead of sent", same, method(http.MethodGet), 405, "MethodNotAllowed", "reviews are sent by POST"},
		{"put instead of sent", same, method(http.MethodPut), 405, "MethodNotAllowed", "reviews are sent by POST"},
		{"too large", instead(strings.Repeat(" ", 20<<20+1)), nil, 413, "RequestEntityTooLarge", ""},
		{"of no known length", same, func(r *http.Request) { r.ContentLength = -1 }, 411, "", "the request should say its length in Content-Length, and come in one piece"},
		{"a timeout that is none", same, func(r *http.Request) { r.URL.RawQuery = "timeout=soon" }, 400, "BadRequest", "the query's timeout should be a duration above zero, as in ?timeout=10s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for path, body := range endpoints {
				if c.change == nil {
					c.change = func(*http.Request) {}
				}
				got := s.post(t, path, []byte(c.spoil(body)), c.change)
				status := got.status(t)
				want := strings.ReplaceAll(c.message, kind+" ", kindAt(path)+" ")
				if got.code != c.code || int(status.Code) != c.code || c.reason != "" && string(status.Reason) != c.reason ||
					status.Message == "" || c.message != "" && status.Message != want {
					t.Errorf("%s: %d %s %q\nwant %d %s %q", path, got.code, status.Reason, status.Message, c.code, c.reason, want)
				}
				if again := got.header.Get("Retry-After"); again != "" {
					t.Errorf("%s: what is wrong stays wrong, and should not be repeated after %s s", path, again)
				}
			}
		})
	}
	if asked := s.asked.take(); len(asked) != 0 {
		t.Errorf("asked were %v", asked)
	}
	for path, body := range endpoints { // the control: unspoiled, they are judged
		if got := s.post(t, path, []byte(body)); got.code != 200 {
			t.Errorf("%s: %d %s", path, got.code, got.body)
		}
	}
	if asked := s.asked.take(); len(asked) != 5 {
		t.Errorf("asked were %v", asked)
	}
}

func kindAt(path string) string {
	switch path {
	case "/authenticate":
		return "TokenReview"
	case "/image":
		return "ImageReview"
	case "/mutate", "/validate":
		return "AdmissionReview"
	}
	return "SubjectAccessReview"
}

// An API server sends the objects of a request that has any, so one without them is no question, and least of all one without
// anything to say against it. A DELETE of an older API server has no old object, and a CONNECT has options where its resource takes some.
func TestAnAdmissionReviewHasTheObjectsOfItsOperation(t *testing.T) {
	s := serve(t, askedAbout)
	const object, old = `"object":{"metadata":{"name":"web"}}`, `"oldObject":{"metadata":{"name":"web"}}`
	for _, c := range []struct {
		operation, members string
		missing            string // "" where it is a question
	}{
		{"CREATE", object, ""},
		{"CREATE", old, "object"},
		{"CREATE", `"object":null`, "object"},
		{"UPDATE", object + "," + old, ""},
		{"UPDATE", object, "oldObject"},
		{"UPDATE", object + `,"oldObject":null`, "oldObject"},
		{"UPDATE", old, "object"},
		{"UPDATE", `"object":null,` + old, "object"},
		{"UPDATE", `"dryRun":true`, "object"},
		{"DELETE", old, ""},
		{"DELETE", `"object":null,` + old, ""},
		{"DELETE", `"object":null,"oldObject":null`, ""},
		{"CONNECT", object, ""},
		{"CONNECT", `"object":null`, ""},
	} {
		for _, path := range []string{"/mutate", "/validate"} {
			body := strings.NewReplacer(`"CREATE"`, `"`+c.operation+`"`, object, c.members).Replace(podAdmission)
			got := s.post(t, path, []byte(body))
			if c.missing == "" {
				if got.code != 200 {
					t.Errorf("%s of a %s with %s: %d %s", path, c.operation, c.members, got.code, got.body)
				}
				continue
			}
			want := "the AdmissionReview has no request." + c.missing + ", as every " + c.operation + " has"
			if status := got.status(t); got.code != 400 || status.Message != want {
				t.Errorf("%s of a %s with %s: %d %q\nwant %q", path, c.operation, c.members, got.code, status.Message, want)
			}
		}
	}
}

// What is wrong with one kind of review is said of its own fields.
func TestWhatIsWrongWithAReviewNamesTheField(t *testing.T) {
	s := serve(t, askedAbout)
	for _, c := range []struct {
		name, path, from, to string
		message              string
	}{
		{"no request", "/validate", `"request"`, `"answer"`, "the AdmissionReview has no request"},
		{"no uid", "/validate", `"uid":"u",`, ``, "the AdmissionReview has no request.uid"},
		{"uid null", "/validate", `"uid":"u"`, `"uid":null`, "the AdmissionReview has no request.uid"},
		{"no operation", "/mutate", `"operation":"CREATE",`, ``, `request.operation "" is none of CREATE, UPDATE, DELETE and CONNECT`},
		{"an unknown operation", "/mutate", `CREATE`, `PATCH`, `request.operation "PATCH" is none of CREATE, UPDATE, DELETE and CONNECT`},
		{"an operation in small letters, which no policy would know", "/validate", `CREATE`, `create`, `request.operation "create" is none of CREATE, UPDATE, DELETE and CONNECT`},
		{"an object that is a text", "/validate", `{"metadata":{"name":"web"}}`, `"web"`, "the AdmissionReview cannot be read: request.object: at byte 217: an object should stand here, not a string"},
		{"a member twice in the object", "/validate", `"name":"web"`, `"name":"web","name":"db"`, `the AdmissionReview cannot be read: request.object: at byte 243: the member "name" stands twice in one object`},
		{"a kind that is a text", "/validate", `"kind":{"group":"","version":"v1","kind":"Pod"}`, `"kind":"Pod"`, "the AdmissionReview cannot be read: request.kind: at byte 110: an object should stand here, not a string"},
		{"a kind with a number", "/validate", `"kind":{"group":""`, `"kind":{"group":5`, "the AdmissionReview cannot be read: request.kind.group: at byte 119: a string should stand here, not a number"},
		{"a request in capitals", "/validate", `"request"`, `"Request"`, "the AdmissionReview cannot be read: request should be spelled request"},
		{"a user in capitals", "/validate", `"uid":"u"`, `"uid":"u","userInfo":{"UserName":"root"}`, "the AdmissionReview cannot be read: request.userInfo.username should be spelled username"},
		{"groups that are a text", "/validate", `"uid":"u"`, `"uid":"u","userInfo":{"groups":"dev"}`, "the AdmissionReview cannot be read: request.userInfo.groups: at byte 103: an array should stand here, not a string"},
		{"what the user sent, wrongly typed", "/validate", `"uid":"u"`, `"uid":"u","requestKind":7`, "the AdmissionReview cannot be read: request.requestKind: at byte 96: an object should stand here, not a number"},
		{"no resource", "/validate", `"resource":{"group":"","version":"v1","resource":"pods"},`, ``, "the AdmissionReview has no request.resource.resource"},
		{"a resource without its name", "/mutate", `,"resource":"pods"}`, `}`, "the AdmissionReview has no request.resource.resource"},
		{"a resource whose name is empty", "/validate", `"resource":"pods"`, `"resource":""`, "the AdmissionReview has no request.resource.resource"},
		{"a resource that is null", "/validate", `{"group":"","version":"v1","resource":"pods"}`, `null`, "the AdmissionReview has no request.resource.resource"},
		{"no kind", "/validate", `"kind":{"group":"","version":"v1","kind":"Pod"},`, ``, "the AdmissionReview has no request.kind.kind"},
		{"a kind without its name", "/mutate", `,"kind":"Pod"}`, `}`, "the AdmissionReview has no request.kind.kind"},
		{"no token", "/authenticate", `"token":"a-session-of-jane"`, ``, "the TokenReview has no spec.token"},
		{"a token that is a number", "/authenticate", `"a-session-of-jane"`, `7`, "the TokenReview cannot be read: spec.token: at byte 78: a string should stand here, not a number"},
		{"a long token", "/authenticate", `"a-session-of-jane"`, `"` + strings.Repeat("t", 16<<10+1) + `"`, "spec.token is longer than 16 KiB"},
		{"about nothing", "/authorize/guard", `"resourceAttributes":{"verb":"get","resource":"pods"}`, `"uid":"u"`, "the SubjectAccessReview has neither spec.resourceAttributes nor spec.nonResourceAttributes"},
		{"about two things", "/authorize/guard", `"user":"jane"`, `"nonResourceAttributes":{"path":"/"}`, "the SubjectAccessReview has both spec.resourceAttributes and spec.nonResourceAttributes"},
		{"about a path that is not given", "/authorize/guard", `"resourceAttributes":{"verb":"get","resource":"pods"}`, `"nonResourceAttributes":{"verb":"get"}`, "spec.nonResourceAttributes has no path"},
		{"groups as v1beta1 spells them", "/authorize/grant", `"user":"jane"`, `"group":["a"]`, "spec.group belongs to v1beta1; authorization.k8s.io/v1 spells it spec.groups"},
		{"a selector that is a text", "/authorize/grant", `"verb":"get"`, `"fieldSelector":{"requirements":"a=b"}`, "the SubjectAccessReview cannot be read: spec.resourceAttributes.fieldSelector.requirements: at byte 145: an array should stand here, not a string"},
		{"no spec", "/image", `"spec":`, `"spce":`, "the ImageReview has no spec"},
		{"containers that are texts", "/image", `{"image":"a"}`, `"a"`, "the ImageReview cannot be read: spec.containers: at byte 87: an object should stand here, not a string"},
		{"an image that is none", "/image", `"a"`, `{}`, "the ImageReview cannot be read: spec.containers.image: at byte 96: a string should stand here, not an object"},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := strings.Replace(endpoints[c.path], c.from, c.to, 1)
			if body == endpoints[c.path] {
				t.Fatal("nothing was changed")
			}
			got := s.post(t, c.path, []byte(body))
			if status := got.status(t); got.code != 400 || status.Message != c.message {
				t.Errorf("%d %q\nwant %q", got.code, status.Message, c.message)
			}
		})
	}
	if asked := s.asked.take(); len(asked) != 0 {
		t.Errorf("asked were %v", asked)
	}
}

func TestPathsAreExactAndNeverRedirected(t *testing.T) {
	s := serve(t, askedAbout)
	for _, path := range []string{"/", "//validate", "/validate/", "/Validate", "/./validate", "/validate;x", "/valid%61te", "/authorize", "/metrics", "/healthz"} {
		got := s.post(t, path, []byte(podAdmission))
		if status := got.status(t); got.code != 404 || status.Message != "there is nothing at this path" {
			t.Errorf("%s: %d %s", path, got.code, got.body)
		}
	}
	if asked := s.asked.take(); len(asked) != 0 {
		t.Errorf("asked were %v", asked)
	}
}

// Not to be able to answer is never an answer, and says when to ask again.
func TestWithoutPoliciesThereIsNoAnswer(t *testing.T) {
	s := serve(t, nil, func(o *setup) { o.unloaded = true })
	for path, body := range endpoints {
		got := s.post(t, path, []byte(body))
		status := got.status(t)
		if got.code != 503 || got.header.Get("Retry-After") != "1" || status.Reason != "ServiceUnavailable" ||
			status.Message != "no answer is available now: no policies are loaded yet" || status.Details.RetryAfterSeconds != 1 {
			t.Errorf("%s: %d %v %s", path, got.code, got.header, got.body)
		}
	}
}

func TestAFaultOfTheServerIsAnErrorThatTellsNothing(t *testing.T) {
	for name, fail := range map[string]func() error{
		"an error": func() error { return errors.New("the secret of how it works") },
		"a panic":  func() error { panic("the secret of how it works") },
	} {
		t.Run(name, func(t *testing.T) {
			log := &props.Buffer{}
			s := serve(t, askedAbout, func(o *setup) {
				o.log = log
				o.around = func(review.Reviewer) review.Reviewer {
					return review.ReviewerFunc(func(context.Context, *review.Request) (review.Decision, error) { return review.Decision{}, fail() })
				}
			})
			for path, body := range endpoints {
				got := s.post(t, path, []byte(body))
				status := got.status(t)
				id, found := strings.CutPrefix(status.Message, "internal error: see the server's log with decision id ")
				if got.code != 500 || !found || status.Reason != "InternalError" || got.header.Get("Retry-After") != "1" {
					t.Errorf("%s: %d %s", path, got.code, got.body)
				}
				if bytes.Contains(got.body, []byte("how it works")) {
					t.Errorf("%s: the caller is told %s", path, got.body)
				}
				if !strings.Contains(log.String(), id) {
					t.Errorf("the log does not know %s", id)
				}
			}
			if !strings.Contains(log.String(), "how it works") {
				t.Errorf("the log does not tell why: %s", log)
			}
		})
	}
}
