package webhook

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portcullis-dev/portcullis/review"
	"github.com/portcullis-dev/portcullis/test/props"
)

// serviceName is what the API server calls a Service's webhook.
const serviceName = "portcullis.portcullis.svc"

// Reviews as API servers send them, one an endpoint.
const (
	tokenReview = `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","metadata":{"creationTimestamp":null},"spec":{"token":"TOKEN"},"status":{"user":{}}}`
	accessSpec  = `"spec":{"resourceAttributes":{"namespace":"prod","verb":"get","version":"v1","resource":"pods","name":"web"},"user":"jane"}`
	access      = `{"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1","metadata":{},` + accessSpec + `,"status":{"allowed":false}}`
	admission   = `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"705ab4f5","kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},"name":"web","namespace":"prod","operation":"CREATE","userInfo":{"username":"jane"},"object":{"kind":"Pod","metadata":{"name":"web"}},"oldObject":null,"dryRun":false,"options":null}}`
	image       = `{"kind":"ImageReview","apiVersion":"imagepolicy.k8s.io/v1alpha1","spec":{"containers":[{"image":"nginx"}],"namespace":"prod"}}`
)

// sample returns a review for an endpoint.
func sample(path string) string {
	switch path {
	case "/authenticate":
		return tokenReview
	case "/authorize/guard", "/authorize/grant":
		return access
	case "/image":
		return image
	default:
		return admission
	}
}

func answering(d review.Decision, err error) review.Reviewer {
	return review.ReviewerFunc(func(context.Context, *review.Request) (review.Decision, error) { return d, err })
}

func allowing() review.Reviewer { return answering(review.Decision{Verdict: review.Allow}, nil) }

// table is the product's with one Reviewer for all stages.
func table(r review.Reviewer) []Endpoint {
	return Endpoints(func(review.Stage) review.Reviewer { return r }, 0)
}

// recorded is a Handler whose metrics and log a test can read.
type recorded struct {
	*Handler
	metrics  *Metrics
	registry *prometheus.Registry
	log      *logged
}

func handler(t testing.TB, r review.Reviewer) *recorded {
	t.Helper()
	out := &recorded{registry: prometheus.NewPedanticRegistry(), log: &logged{}}
	var err error
	if out.metrics, err = NewMetrics(out.registry); err != nil {
		t.Fatal(err)
	}
	if out.Handler, err = NewHandler(table(r), out.metrics, out.log.logger()); err != nil {
		t.Fatal(err)
	}
	return out
}

// post sends body as the API server does and returns what comes back.
func post(h http.Handler, target, body string) *httptest.ResponseRecorder {
	return postWith(context.Background(), h, target, body)
}

func postWith(ctx context.Context, h http.Handler, target, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// refused fails the test unless the response is a Status of the given code and message.
func refused(t testing.TB, code int, header http.Header, body []byte, wantCode int, wantMessage string) {
	t.Helper()
	var status metav1.Status
	if err := json.Unmarshal(body, &status); err != nil {
		t.Fatalf("%d, and the body is no Status: %v: %.200q", code, err, body)
	}
	if code != wantCode || status.Message != wantMessage {
		t.Errorf("got  %d %s\nwant %d %s", code, status.Message, wantCode, wantMessage)
	}
	if status.Kind != "Status" || status.APIVersion != "v1" || status.Status != "Failure" || int(status.Code) != code || status.Reason != reason(code) {
		t.Errorf("the Status does not fit code %d: %+v", code, status)
	}
	wantRetry := ""
	if code >= 500 {
		wantRetry = "1"
	}
	if got := header.Get("Retry-After"); got != wantRetry {
		t.Errorf("Retry-After is %q with code %d", got, code)
	}
}

// logged keeps what is logged, from debug level up.
type logged struct{ props.Buffer }

func (l *logged) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

var eventually = props.Eventually

// postRequest sends body as r.
func postRequest(h http.Handler, r *http.Request, body string) *httptest.ResponseRecorder {
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// refusedWith fails the test unless the response is a Status that says something.
func refusedWith(t testing.TB, w *httptest.ResponseRecorder) {
	t.Helper()
	var status metav1.Status
	if err := json.Unmarshal(w.Body.Bytes(), &status); err != nil || status.Message == "" || int(status.Code) != w.Code {
		t.Fatalf("%d, and the body is no Status: %v: %.200q", w.Code, err, w.Body)
	}
}
