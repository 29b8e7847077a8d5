package webhook

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/portcullis-dev/portcullis/review"
)

// nested is an AdmissionReview whose object goes down to the given level, the review itself being the first.
func nested(levels int) string {
	const before, after = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","operation":"CREATE",` +
		`"kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},"object":`, `}}`
	return before + strings.Repeat(`{"a":`, levels-2) + "1" + strings.Repeat("}", levels-2) + after
}

// TestRefusedBodies has what is no review, with the exact words the sender reads.
func TestRefusedBodies(t *testing.T) {
	h := handler(t, allowing())
	for name, c := range map[string]struct {
		path, body, want string
	}{
		"empty":                 {"/validate", "", "the AdmissionReview cannot be read: at byte 0: the document ends where an object should stand"},
		"truncated":             {"/validate", admission[:100], "the AdmissionReview cannot be read: request.kind: at byte 100: the document ends inside a string"},
		"not JSON":              {"/validate", "kind: AdmissionReview", `the AdmissionReview cannot be read: at byte 0: unexpected character 'k'`},
		"an array":              {"/validate", "[" + admission + "]", "the AdmissionReview cannot be read: at byte 0: an object should stand here, not an array"},
		"trailing":              {"/validate", admission + "{}", fmt.Sprintf("the AdmissionReview cannot be read: at byte %d: something follows the end of the document", len(admission))},
		"duplicate key":         {"/validate", strings.Replace(admission, `"uid":"705ab4f5"`, `"uid":"1","uid":"2"`, 1), `the AdmissionReview cannot be read: request: at byte 82: the member "uid" stands twice in one object`},
		"duplicate deep inside": {"/validate", strings.Replace(admission, `"metadata":{"name":"web"}`, `"metadata":{"name":"a","name":"b"}`, 1), `the AdmissionReview cannot be read: request.object: at byte 324: the member "name" stands twice in one object`},
		"another case":          {"/validate", strings.Replace(admission, `"request"`, `"Request"`, 1), "the AdmissionReview cannot be read: request should be spelled request"},
		"513 levels":            {"/validate", nested(513), "the AdmissionReview cannot be read: request.object: at byte 2767: more than 512 levels of nesting"},
		"10,001 levels":         {"/validate", nested(10001), "the AdmissionReview cannot be read: request.object: at byte 2767: more than 512 levels of nesting"},
		"wrong type":            {"/validate", strings.Replace(admission, `"705ab4f5"`, `7`, 1), "the AdmissionReview cannot be read: request.uid: at byte 78: a string should stand here, not a number"},
		"unknown version":       {"/mutate", strings.Replace(admission, "admission.k8s.io/v1", "admission.k8s.io/v2", 1), `apiVersion is "admission.k8s.io/v2"; AdmissionReview is served in admission.k8s.io/v1 and admission.k8s.io/v1beta1`},
		"another kind":          {"/validate", access, `kind is "SubjectAccessReview" where AdmissionReview is served`},
		"no request":            {"/validate", `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}`, "the AdmissionReview has no request"},
		"no uid":                {"/validate", strings.Replace(admission, `"705ab4f5"`, `""`, 1), "the AdmissionReview has no request.uid"},
		"no token":              {"/authenticate", strings.Replace(tokenReview, "TOKEN", "", 1), "the TokenReview has no spec.token"},
		"token too long":        {"/authenticate", strings.Replace(tokenReview, "TOKEN", strings.Repeat("t", 16<<10+1), 1), "spec.token is longer than 16 KiB"},
		"nothing asked":         {"/authorize/guard", strings.Replace(access, accessSpec, `"spec":{}`, 1), "the SubjectAccessReview has neither spec.resourceAttributes nor spec.nonResourceAttributes"},
		"no spec":               {"/image", `{"apiVersion":"imagepolicy.k8s.io/v1alpha1","kind":"ImageReview"}`, "the ImageReview has no spec"},
	} {
		t.Run(name, func(t *testing.T) {
			w := post(h, c.path, c.body)
			refused(t, w.Code, w.Header(), w.Body.Bytes(), http.StatusBadRequest, c.want)
		})
	}
	for _, levels := range []int{511, 512} {
		if w := post(h, "/validate", nested(levels)); w.Code != http.StatusOK {
			t.Errorf("%d levels are refused: %s", levels, w.Body)
		}
	}
}

func TestRefusedRequests(t *testing.T) {
	h := handler(t, allowing())
	const typed = "application/json"
	for name, c := range map[string]struct {
		method, target, kind string
		change               func(*http.Request)
		code                 int
		want                 string
	}{
		"unknown path":         {method: "POST", target: "/", kind: typed, code: 404, want: "there is nothing at this path"},
		"trailing slash":       {method: "POST", target: "/validate/", kind: typed, code: 404, want: "there is nothing at this path"},
		"double slash":         {method: "POST", target: "https://x//validate", kind: typed, code: 404, want: "there is nothing at this path"},
		"dots":                 {method: "POST", target: "/mutate/../validate", kind: typed, code: 404, want: "there is nothing at this path"},
		"escaped":              {method: "POST", target: "/valid%61te", kind: typed, code: 404, want: "there is nothing at this path"},
		"another case":         {method: "POST", target: "/Validate", kind: typed, code: 404, want: "there is nothing at this path"},
		"read":                 {method: "GET", target: "/validate", code: 405, want: "reviews are sent by POST"},
		"put":                  {method: "PUT", target: "/validate", kind: typed, code: 405, want: "reviews are sent by POST"},
		"no type":              {method: "POST", target: "/validate", code: 415, want: "the content type should be application/json, in UTF-8 and not compressed"},
		"protobuf":             {method: "POST", target: "/validate", kind: "application/vnd.kubernetes.protobuf", code: 415, want: "the content type should be application/json, in UTF-8 and not compressed"},
		"another charset":      {method: "POST", target: "/validate", kind: typed + "; charset=utf-16", code: 415, want: "the content type should be application/json, in UTF-8 and not compressed"},
		"malformed type":       {method: "POST", target: "/validate", kind: typed + ";;", code: 415, want: "the content type should be application/json, in UTF-8 and not compressed"},
		"two types":            {method: "POST", target: "/validate", kind: typed, change: func(r *http.Request) { r.Header.Add("Content-Type", typed) }, code: 415, want: "the content type should be application/json, in UTF-8 and not compressed"},
		"compressed":           {method: "POST", target: "/validate", kind: typed, change: func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }, code: 415, want: "the content type should be application/json, in UTF-8 and not compressed"},
		"bad timeout":          {method: "POST", target: "/validate?timeout=10", kind: typed, code: 400, want: "the query's timeout should be a duration above zero, as in ?timeout=10s"},
		"no length":            {method: "POST", target: "/validate", kind: typed, change: func(r *http.Request) { r.ContentLength = -1 }, code: 411, want: "the request should say its length in Content-Length, and come in one piece"},
		"too long":             {method: "POST", target: "/authenticate", kind: typed, change: func(r *http.Request) { r.ContentLength = 65537 }, code: 413, want: "the review has 65537 bytes, and at most 65536 are accepted here; the server's limit can be raised in its configuration"},
		"far too long":         {method: "POST", target: "/validate", kind: typed, change: func(r *http.Request) { r.ContentLength = 1 << 60 }, code: 413, want: "the review has 1152921504606846976 bytes, and at most 20971520 are accepted here; the server's limit can be raised in its configuration"},
		"shorter than it said": {method: "POST", target: "/validate", kind: typed, change: func(r *http.Request) { r.ContentLength++ }, code: 400, want: fmt.Sprintf("only %d of %d bytes of the body arrived", len(admission), len(admission)+1)},
		"broken off": {method: "POST", target: "/validate", kind: typed, change: func(r *http.Request) {
			r.Body = io.NopCloser(io.MultiReader(strings.NewReader("12345"), iotest.ErrReader(io.ErrUnexpectedEOF)))
		}, code: 400, want: fmt.Sprintf("only 5 of %d bytes of the body arrived", len(admission))},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(c.method, c.target, strings.NewReader(admission))
			if c.kind != "" {
				r.Header.Set("Content-Type", c.kind)
			}
			if c.change != nil {
				c.change(r)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			refused(t, w.Code, w.Header(), w.Body.Bytes(), c.code, c.want)
			if allow := w.Header().Get("Allow"); (c.code == 405) != (allow == "POST") {
				t.Errorf("Allow is %q with code %d", allow, c.code)
			}
			if (c.code == 413 || c.code == 411) != (w.Header().Get("Connection") == "close") {
				t.Error("only a body nobody will read, or of doubtful length, should end the connection")
			}
		})
	}
}

func TestAccepted(t *testing.T) {
	h := handler(t, allowing())
	for name, kind := range map[string]string{
		"plain": "application/json", "with charset": "application/json; charset=UTF-8", "in capitals": "Application/JSON",
	} {
		r := httptest.NewRequest(http.MethodPost, "/validate?timeout=10s", strings.NewReader(admission))
		r.Header.Set("Content-Type", kind)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Content-Length") != fmt.Sprint(w.Body.Len()) {
			t.Errorf("%s: %d %v %s", name, w.Code, w.Header(), w.Body)
		}
	}
}

// TestLargest has bodies of the limit and one byte more.
func TestLargest(t *testing.T) {
	h := handler(t, allowing())
	for _, e := range table(allowing()) {
		body := sample(e.Path)
		body += strings.Repeat(" ", int(e.MaxBody)-len(body))
		if w := post(h, e.Path, body); w.Code != http.StatusOK {
			t.Errorf("%s: the largest review is refused: %s", e.Path, w.Body)
		}
		w := post(h, e.Path, body+" ")
		refused(t, w.Code, w.Header(), w.Body.Bytes(), 413, fmt.Sprintf(
			"the review has %d bytes, and at most %d are accepted here; the server's limit can be raised in its configuration", e.MaxBody+1, e.MaxBody))
	}
}

// TestNoAnswer has every way in which a Reviewer fails to answer.
func TestNoAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		reviewer review.Reviewer
		code     int
		want     string
	}{
		"not loaded yet": {answering(review.Decision{Verdict: review.Allow}, review.Unavailable("no policies are loaded yet")), 503, "no answer is available now: no policies are loaded yet"},
		"wrapped":        {answering(review.Decision{}, fmt.Errorf("the engine: %w", review.ErrUnavailable)), 503, "the engine: no answer is available now"},
		"a fault":        {answering(review.Decision{Verdict: review.Allow}, fmt.Errorf("disk secret-canary is on fire")), 500, "internal error: see the server's log with decision id ID"},
		"a panic":        {panicking{}, 500, "internal error: see the server's log with decision id ID"},
	} {
		for _, e := range table(allowing()) {
			t.Run(name+e.Path, func(t *testing.T) {
				h := handler(t, c.reviewer)
				w := post(h, e.Path, sample(e.Path))
				body := w.Body.String()
				var status struct{ Message string }
				if err := json.Unmarshal(w.Body.Bytes(), &status); err != nil {
					t.Fatal(err)
				}
				if _, id, found := strings.Cut(status.Message, "decision id "); found {
					if !strings.Contains(h.log.String(), `"id":"`+id+`"`) || len(id) != 26 {
						t.Errorf("the log does not tell of decision %q: %s", id, h.log)
					}
					body = strings.ReplaceAll(body, id, "ID")
				}
				refused(t, w.Code, w.Header(), []byte(body), c.code, c.want)
				if strings.Contains(body, "canary") {
					t.Error("the answer tells internals")
				}
				if c.code == http.StatusInternalServerError && !strings.Contains(h.log.String(), "canary") {
					t.Errorf("the log does not tell the fault: %s", h.log)
				}
			})
		}
	}
}

// TestLargeBodiesQueue has the memory for arriving bodies all in use. Small reviews do not notice.
func TestLargeBodiesQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := handler(t, allowing())
		if !h.bodies.large.TryAcquire(readBudget) {
			t.Fatal("it is in use already")
		}
		large := admission + strings.Repeat(" ", largeBody)
		w := post(h, "/validate", large)
		refused(t, w.Code, w.Header(), w.Body.Bytes(), 503, "no answer is available now: too many large reviews are arriving at once")
		if n := testutil.ToFloat64(h.metrics.shedding.WithLabelValues(shedBodies)); n != 1 {
			t.Errorf("%g are counted", n)
		}
		if w := post(h, "/validate", admission); w.Code != http.StatusOK {
			t.Error(w.Code, w.Body)
		}
		h.bodies.large.Release(readBudget)
		for range 10 {
			if w := post(h, "/validate", large); w.Code != http.StatusOK {
				t.Error(w.Code, w.Body)
			}
		}
	})
}
