package review

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	authorizationv1beta1 "k8s.io/api/authorization/v1beta1"
	imagepolicyv1alpha1 "k8s.io/api/imagepolicy/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	kjson "k8s.io/apimachinery/pkg/runtime/serializer/json"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/portcullis-dev/portcullis/review/rawjson"
)

// dialects are all of them, with the reviews a fuzzer begins with.
var dialects = []struct {
	name    string
	dialect Dialect
	seeds   []string
}{
	{"validate", DialectValidate, []string{
		`{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u","kind":{"group":"apps","version":"v1","kind":"Deployment"},"resource":{"group":"apps","version":"v1","resource":"deployments"},"subResource":"scale","requestKind":{"group":"apps","version":"v1beta1","kind":"Deployment"},"requestResource":{"group":"apps","version":"v1beta1","resource":"deployments"},"requestSubResource":"scale","name":"web","namespace":"shop","operation":"UPDATE","userInfo":{"username":"jane","uid":"42","groups":["dev"],"extra":{"a/b":["c"]}},"object":{"metadata":{"name":"web"}},"oldObject":{"a":[1,2.5e3,true,null]},"dryRun":true,"options":{"kind":"UpdateOptions","apiVersion":"meta.k8s.io/v1"}}}`,
		`{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1beta1","request":{"uid":"u","kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},"operation":"DELETE","userInfo":{},"object":null,"oldObject":{},"dryRun":null}}`,
	}},
	{"mutate", DialectMutate, []string{`{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"\u0075","kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},"operation":"CREATE","object":{"é":"\ud83d\ude00"}}}`}},
	{"authenticate", DialectAuthenticate, []string{
		`{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","metadata":{"creationTimestamp":null},"spec":{"token":"t","audiences":["a"]},"status":{"user":{}}}`,
		`{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1beta1","spec":{"audiences":null,"token":"\"\\"}}`,
	}},
	{"guard", DialectGuard, []string{
		`{"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1","spec":{"resourceAttributes":{"namespace":"n","verb":"list","group":"g","version":"v","resource":"r","subresource":"s","name":"x","fieldSelector":{"rawSelector":"a=b","requirements":[{"key":"a","operator":"In","values":["b"]}]},"labelSelector":{"requirements":[{"key":"a","operator":"Exists"}]}},"user":"jane","groups":["a"],"extra":{"a":["b",""]},"uid":"u"}}`,
		`{"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1beta1","spec":{"nonResourceAttributes":{"path":"/x","verb":"get"},"user":"jane","group":["a"],"uid":"u"}}`,
	}},
	{"grant", DialectGrant, []string{`{"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1","spec":{"resourceAttributes":{},"user":"jane"}}`}},
	{"image", DialectImage, []string{`{"kind":"ImageReview","apiVersion":"imagepolicy.k8s.io/v1alpha1","spec":{"containers":[{"image":"a"},{}],"annotations":{"a":"b"},"namespace":"n"}}`}},
}

// strictly has the API server's serializer decode a review strictly, as the Go type that answers to apiVersion. It tolerates members it
// does not know, for newer API servers may send some, and is not shown those at the top that nobody reads: metadata, status, response.
func strictly[T runtime.Object](t testing.TB, body []byte, apiVersion string) T {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		admissionv1.AddToScheme, authenticationv1.AddToScheme, authorizationv1.AddToScheme, authorizationv1beta1.AddToScheme, imagepolicyv1alpha1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	strict := kjson.NewSerializerWithOptions(kjson.DefaultMetaFactory, scheme, scheme, kjson.SerializerOptions{Strict: true})
	got, _, err := strict.Decode(readPart(t, body, apiVersion), nil, nil)
	if errs, ok := runtime.AsStrictDecodingError(err); ok {
		err = nil
		for _, e := range errs.Errors() {
			if !strings.HasPrefix(e.Error(), "unknown field ") {
				err = errors.Join(err, e)
			}
		}
	}
	if err != nil {
		t.Fatalf("a review was accepted that apimachinery refuses: %v\n%s", err, body)
	}
	out, ok := got.(T)
	if !ok {
		t.Fatalf("apimachinery makes a %T of it", got)
	}
	return out
}

// readPart is what of a review a dialect reads, under another apiVersion.
func readPart(t testing.TB, body []byte, apiVersion string) []byte {
	t.Helper()
	out := fmt.Appendf(nil, `{"apiVersion":%q`, apiVersion)
	d := rawjson.NewDecoder(body)
	err := d.Object(func(name []byte) error {
		value, err := d.Raw()
		if n := string(name); n == "kind" || n == "spec" || n == "request" {
			out = append(fmt.Appendf(out, `,%q:`, n), value...)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return append(out, '}')
}

func headOf(t testing.TB, body []byte) (head metav1.TypeMeta) {
	t.Helper()
	if err := utiljson.Unmarshal(body, &head); err != nil {
		t.Fatal(err)
	}
	return head
}

// expected is the Request that apimachinery's reading of a body makes, without the parts that only Portcullis knows.
func expected(t testing.TB, stage Stage, body []byte) *Request {
	t.Helper()
	req := &Request{Stage: stage}
	switch stage {
	case Validate, Mutate:
		r := strictly[*admissionv1.AdmissionReview](t, body, "admission.k8s.io/v1").Request
		req.ID, req.Verb = r.UID, strings.ToLower(string(r.Operation))
		req.User = userOf(r.UserInfo)
		req.Target = Target{
			Group: r.Resource.Group, Version: r.Resource.Version, Resource: r.Resource.Resource, Subresource: r.SubResource,
			Kind: r.Kind.Kind, Namespace: r.Namespace, Name: r.Name,
		}
		req.Object, req.OldObject = r.Object.Raw, r.OldObject.Raw
		req.DryRun = r.DryRun != nil && *r.DryRun
	case Authenticate:
		if spec := strictly[*authenticationv1.TokenReview](t, body, "authentication.k8s.io/v1").Spec; spec.Token == "" {
			t.Fatalf("a review without a token was accepted: %s", body)
		}
	case Guard, Grant:
		spec := strictly[*authorizationv1.SubjectAccessReview](t, body, "authorization.k8s.io/v1").Spec
		if beta := "authorization.k8s.io/v1beta1"; headOf(t, body).APIVersion == beta {
			spec.Groups = strictly[*authorizationv1beta1.SubjectAccessReview](t, body, beta).Spec.Groups
		}
		req.User = User{Username: spec.User, UID: spec.UID, Groups: spec.Groups, Extra: extraOf(spec.Extra)}
		if a := spec.NonResourceAttributes; a != nil {
			req.Verb, req.Target.Path = a.Verb, a.Path
		}
		if a := spec.ResourceAttributes; a != nil {
			req.Verb = a.Verb
			req.Target = Target{Group: a.Group, Version: a.Version, Resource: a.Resource, Subresource: a.Subresource, Namespace: a.Namespace, Name: a.Name}
		}
	case Image:
		req.Target = Target{Version: "v1", Resource: "pods", Kind: "Pod", Namespace: strictly[*imagepolicyv1alpha1.ImageReview](t, body, "imagepolicy.k8s.io/v1alpha1").Spec.Namespace}
	}
	return req
}

func userOf(u authenticationv1.UserInfo) User {
	return User{Username: u.Username, UID: u.UID, Groups: u.Groups, Extra: extraOf(u.Extra)}
}

func extraOf[V ~[]string](extra map[string]V) map[string][]string {
	out := map[string][]string{}
	for key, values := range extra {
		out[key] = values
	}
	return out
}

// sameRequest compares what matters: an empty list and none are one.
func sameRequest(t testing.TB, got, want *Request) {
	t.Helper()
	for _, field := range []struct {
		name      string
		got, want any
	}{
		{"ID", got.ID, want.ID},
		{"stage", got.Stage, want.Stage},
		{"verb", got.Verb, want.Verb},
		{"target", got.Target, want.Target},
		{"user", fmt.Sprintf("%q %q %q %q", got.User.Username, got.User.UID, got.User.Groups, got.User.Extra), fmt.Sprintf("%q %q %q %q", want.User.Username, want.User.UID, want.User.Groups, want.User.Extra)},
		{"dry run", got.DryRun, want.DryRun},
		{"object", string(got.Object), string(want.Object)},
		{"old object", string(got.OldObject), string(want.OldObject)},
	} {
		if !reflect.DeepEqual(field.got, field.want) {
			t.Fatalf("%s: %#v, and apimachinery reads %#v", field.name, field.got, field.want)
		}
	}
}

func checkDialect(t testing.TB, dialect Dialect, body []byte) {
	t.Helper()
	kept := bytes.Clone(body)
	req, answer, err := dialect(body)
	if !bytes.Equal(body, kept) {
		t.Fatal("reading a review has changed it")
	}
	if err != nil {
		if req != nil || answer != nil || err.Error() == "" {
			t.Fatalf("half a reading: %v %v", req, err)
		}
		return
	}
	sameRequest(t, req, expected(t, req.Stage, body))
	for _, d := range []Decision{{}, {Verdict: Allow}, {Verdict: NoOpinion}} {
		text, err := json.Marshal(answer(d))
		if err != nil {
			t.Fatal(err)
		}
		if headOf(t, text) != headOf(t, body) {
			t.Fatalf("asked in %s it answers %s", body, text)
		}
	}
}

// Whatever bytes come, a dialect never panics; and what it accepts, apimachinery accepts and reads in the same way. So no two readers
// can be told two stories with one review.
func FuzzDialects(f *testing.F) {
	for i, d := range dialects {
		for _, seed := range d.seeds {
			f.Add(uint8(i), []byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		checkDialect(t, dialects[int(which)%len(dialects)].dialect, body)
	})
}

func TestDialectsReadWhatApimachineryReads(t *testing.T) {
	for _, d := range dialects {
		for _, seed := range d.seeds {
			if _, _, err := d.dialect([]byte(seed)); err != nil {
				t.Errorf("%s: %v: %s", d.name, err, seed)
				continue
			}
			checkDialect(t, d.dialect, []byte(seed))
		}
	}
}

// Every value of every seed, replaced by one of every type: whatever is still accepted, apimachinery accepts.
func TestDialectsAgreeWithApimachineryOnWronglyTypedReviews(t *testing.T) {
	accepted, refused := 0, 0
	for _, d := range dialects {
		for _, seed := range d.seeds {
			for _, other := range []string{`null`, `7`, `true`, `"x"`, `""`, `[]`, `[null]`, `["x"]`, `{}`, `{"x":"y"}`} {
				var doc any
				if err := json.Unmarshal([]byte(seed), &doc); err != nil {
					t.Fatal(err)
				}
				everywhere(doc, json.RawMessage(other), func() {
					body, err := json.Marshal(doc)
					if err != nil {
						t.Fatal(err)
					}
					checkDialect(t, d.dialect, body)
					if _, _, err := d.dialect(body); err == nil {
						accepted++
					} else {
						refused++
					}
				})
			}
		}
	}
	if accepted < 100 || refused < 100 {
		t.Errorf("%d were accepted and %d refused: too few to tell", accepted, refused)
	}
}

// everywhere puts other in the place of each value in doc, one at a time.
func everywhere(doc any, other any, try func()) {
	switch doc := doc.(type) {
	case map[string]any:
		for name, value := range doc {
			doc[name] = other
			try()
			doc[name] = value
			everywhere(value, other, try)
		}
	case []any:
		for i, value := range doc {
			doc[i] = other
			try()
			doc[i] = value
			everywhere(value, other, try)
		}
	}
}

// namesIn lists the members of a document, at every level, as paths from the start of the text to the name.
func namesIn(text string) (at []int) {
	for i := 0; i+1 < len(text); i++ {
		if text[i] == '"' && (text[i-1] == '{' || text[i-1] == ',') {
			if end := strings.IndexByte(text[i+1:], '"'); end > 0 && text[i+1+end+1] == ':' {
				at = append(at, i)
			}
		}
	}
	return at
}

func TestAMemberInAnotherCaseOrTwiceIsRefused(t *testing.T) {
	// Where a review carries what somebody else wrote, names are theirs.
	free := []string{`"a/b"`, `"a"`, `"é"`, `"metadata":{"name"`, `"name":"web"}}`, `"creationTimestamp"`, `"status"`, `"user":{}}`, `"metadata":{"creation`, `"kind":"UpdateOptions"`, `"apiVersion":"meta`}
	for _, d := range dialects {
		for _, seed := range d.seeds {
		names:
			for _, at := range namesIn(seed) {
				end := at + 1 + strings.IndexByte(seed[at+1:], '"')
				name := seed[at+1 : end]
				anything := "null"
				if name == "token" {
					anything = `""`
				}
				twice := seed[:at] + seed[at:end+1] + ":" + anything + "," + seed[at:]
				if _, _, err := d.dialect([]byte(twice)); err == nil || !strings.Contains(err.Error(), "stands twice in one object") {
					t.Errorf("%s: %q twice: %v", d.name, name, err)
				}
				for _, prefix := range free {
					if strings.HasPrefix(seed[at:], prefix) {
						continue names
					}
				}
				capital := seed[:at+1] + strings.ToUpper(name[:1]) + name[1:] + seed[end:]
				if _, _, err := d.dialect([]byte(capital)); err == nil || !strings.HasSuffix(err.Error(), name+" should be spelled "+name) {
					t.Errorf("%s: %q with a capital: %v", d.name, name, err)
				}
			}
		}
	}
}

func TestReviewsInV1beta1AreRespelledInV1(t *testing.T) {
	for _, c := range []struct {
		dialect    Dialect
		body, want string
	}{
		{
			DialectGuard, `{"kind":"SubjectAccessReview","status":{},"apiVersion":"authorization.k8s.io/v1beta1","spec":{"group":["a"],"user":"jane","nonResourceAttributes":{"path":"/","verb":"get"}}}`,
			`{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","spec":{"groups":["a"],"user":"jane","nonResourceAttributes":{"path":"/","verb":"get"}}}`,
		},
		{
			DialectAuthenticate, `{"apiVersion":"authentication.k8s.io/v1beta1","kind":"TokenReview","spec":{"token":"\u0074","audiences":["a"]}}`,
			`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"\u0074","audiences":["a"]}}`,
		},
		{
			DialectAuthenticate, `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"t"},"new":1}`,
			`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"t"},"new":1}`,
		},
	} {
		req, _, err := c.dialect([]byte(c.body))
		if err != nil || string(req.Body) != c.want {
			t.Errorf("%s\nbecame %s %v", c.body, string(req.Body), err)
		}
	}
}

func TestAnAnswerNobodyFilledInRefuses(t *testing.T) {
	for _, d := range dialects {
		_, answer, err := d.dialect([]byte(d.seeds[0]))
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(answer(Decision{}))
		if err != nil || bytes.Contains(text, []byte(`"allowed":true`)) || bytes.Contains(text, []byte(`"authenticated":true`)) {
			t.Errorf("%s: %s %v", d.name, text, err)
		}
		if d.name == "guard" && !bytes.Contains(text, []byte(`"denied":true,"reason":"refused by Portcullis"`)) {
			t.Errorf("%s: %s", d.name, text)
		}
	}
}

// What an API server always sends is not left out by one: without it no policy would find anything wrong.
func TestAnAdmissionReviewWithoutItsResourceKindOrObjectsIsRefused(t *testing.T) {
	const kind, resource = `"kind":{"group":"","version":"v1","kind":"Pod"}`, `"resource":{"group":"","version":"v1","resource":"pods"}`
	for members, want := range map[string]string{
		resource + `,"operation":"DELETE"`:                                             "request.kind.kind",
		`"kind":{"kind":""},` + resource + `,"operation":"CONNECT"`:                    "request.kind.kind",
		kind + `,"operation":"DELETE"`:                                                 "request.resource.resource",
		kind + `,"resource":{"group":"apps"},"operation":"CREATE","object":{}`:         "request.resource.resource",
		kind + "," + resource + `,"operation":"CREATE","oldObject":{}`:                 "request.object, as every CREATE has",
		kind + "," + resource + `,"operation":"UPDATE","object":null,"oldObject":{}`:   "request.object, as every UPDATE has",
		kind + "," + resource + `,"operation":"UPDATE","object":{},"oldObject":null`:   "request.oldObject, as every UPDATE has",
		kind + "," + resource + `,"operation":"UPDATE","object":{},"oldObject":{}`:     "",
		kind + "," + resource + `,"operation":"CREATE","object":{}`:                    "",
		kind + "," + resource + `,"operation":"DELETE"`:                                "",
		kind + "," + resource + `,"subResource":"exec","operation":"CONNECT"`:          "",
		`"operation":"CREATE","object":{},` + resource + "," + kind + `,"name":"late"`: "",
	} {
		for name, dialect := range map[string]Dialect{"validate": DialectValidate, "mutate": DialectMutate} {
			for _, version := range []string{"v1", "v1beta1"} {
				req, answer, err := dialect([]byte(`{"apiVersion":"admission.k8s.io/` + version + `","kind":"AdmissionReview","request":{"uid":"u",` + members + `}}`))
				switch {
				case want == "" && err != nil:
					t.Errorf("%s of %s in %s: %v", name, members, version, err)
				case want != "" && (err == nil || err.Error() != "the AdmissionReview has no "+want || req != nil || answer != nil):
					t.Errorf("%s of %s in %s: %v, want %q", name, members, version, err, want)
				}
			}
		}
	}
}
