package webhook

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/portcullis-dev/portcullis/review"
)

func TestRequestsTotal(t *testing.T) {
	h := handler(t, answering(review.Decision{Verdict: review.NoOpinion}, nil))
	post(h, "/validate", admission)
	post(h, "/authorize/guard", access)
	post(h, "/authorize/guard", strings.Replace(access, `"get"`, `"verb-canary"`, 1))
	post(h, "/authenticate", tokenReview)
	post(h, "/validate", "{}")
	post(h, "/path-canary", admission)
	want := `
# HELP portcullis_requests_total Requests answered, by what was decided and by HTTP status code.
# TYPE portcullis_requests_total counter
portcullis_requests_total{code="200",decision="no-opinion",operation="",webhook="authenticate"} 1
portcullis_requests_total{code="200",decision="no-opinion",operation="create",webhook="validate"} 1
portcullis_requests_total{code="200",decision="no-opinion",operation="get",webhook="guard"} 1
portcullis_requests_total{code="200",decision="no-opinion",operation="other",webhook="guard"} 1
portcullis_requests_total{code="400",decision="invalid",operation="",webhook="validate"} 1
portcullis_requests_total{code="404",decision="invalid",operation="",webhook="none"} 1
`
	if err := testutil.GatherAndCompare(h.registry, strings.NewReader(want), "portcullis_requests_total"); err != nil {
		t.Error(err)
	}
}

func TestInstrument(t *testing.T) {
	registry := prometheus.NewRegistry()
	m, err := NewMetrics(registry)
	if err != nil {
		t.Fatal(err)
	}
	req := &review.Request{Stage: review.Validate, Verb: "create"}
	for _, r := range []review.Reviewer{
		allowing(),
		answering(review.Decision{}, nil),
		answering(review.Decision{Verdict: review.Allow}, review.Unavailable("x")),
		answering(review.Decision{Verdict: review.Allow}, errors.New("x")),
		panicking{},
	} {
		_, _ = Decorate(r, Recover(), Instrument(m, review.Validate)).Review(t.Context(), req)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]uint64{}
	for _, family := range families {
		if family.GetName() != "portcullis_request_duration_seconds" {
			continue
		}
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if label.GetName() == "decision" {
					got[label.GetValue()] = metric.GetHistogram().GetSampleCount()
				}
			}
			if first := metric.GetHistogram().GetBucket()[0].GetUpperBound(); first != 0.0005 {
				t.Errorf("the first bucket ends at %g", first)
			}
			if metric.GetHistogram().Schema == nil {
				t.Error("there are no native buckets")
			}
		}
	}
	if fmt.Sprint(got) != "map[allow:1 deny:1 error:2 unavailable:1]" {
		t.Error(got)
	}
	if n := testutil.ToFloat64(m.inflight.WithLabelValues("validate")); n != 0 {
		t.Errorf("%g are in flight", n)
	}
}

// TestMetricsAreBounded sends what an attacker would and counts the series it makes.
func TestMetricsAreBounded(t *testing.T) {
	h := handler(t, allowing())
	for i := range 500 {
		post(h, fmt.Sprintf("/path-%d", i), admission)
		post(h, "/authorize/guard", strings.Replace(access, `"get"`, fmt.Sprintf(`"verb-%d"`, i), 1))
		post(h, "/validate", strings.NewReplacer("prod", fmt.Sprint("ns-", i), "CREATE", fmt.Sprint("OP-", i)).Replace(admission))
		post(h, fmt.Sprintf("/validate?timeout=%d", i), admission)
	}
	for _, verb := range []string{"create", "GET", "list", "approve", "verb"} {
		post(h, "/authorize/grant", strings.Replace(access, `"get"`, `"`+verb+`"`, 1))
	}
	if n, err := testutil.GatherAndCount(h.registry); err != nil || n > 20 {
		t.Errorf("there are %d series (%v)", n, err)
	}
}

func TestMetricsOnce(t *testing.T) {
	registry := prometheus.NewRegistry()
	if _, err := NewMetrics(registry); err != nil {
		t.Fatal(err)
	}
	if _, err := NewMetrics(registry); err == nil || !strings.HasPrefix(err.Error(), "registering the webhook's metrics: ") {
		t.Error(err)
	}
	problems, err := testutil.GatherAndLint(registry)
	if err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
	var none *Metrics
	none.shed(shedBudget) // allowed: Limit and Server take none
}

func TestReasons(t *testing.T) {
	for code, want := range map[int]string{
		400: "BadRequest", 404: "NotFound", 405: "MethodNotAllowed", 408: "Timeout", 411: "", 413: "RequestEntityTooLarge",
		415: "UnsupportedMediaType", 500: "InternalError", 503: "ServiceUnavailable",
	} {
		if got := string(reason(code)); got != want {
			t.Errorf("%d %s has reason %q", code, http.StatusText(code), got)
		}
	}
}
