package decisions

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/review"
)

// sampled has decisions recorded with a share of allows, and returns what was written.
func sampled(t *testing.T, share float64, reqs []*review.Request, d review.Decision, err error) (*Recorder, string) {
	t.Helper()
	var out bytes.Buffer
	r := New(Stream(&out), Options{Allows: &share})
	for _, req := range reqs {
		r.Hear(req, d, err, time.Now())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Start(ctx); err != nil {
		t.Fatal(err)
	}
	return r, out.String()
}

func TestOfAllowsAShareIsRecorded(t *testing.T) {
	reqs, ids := many(t, 2000, `"object":{}`)
	allow := review.Decision{Verdict: review.Allow}
	r, text := sampled(t, .1, reqs, allow, nil)
	tenth := idsOf(text)
	if n := len(tenth); n < 140 || n > 260 || r.Passed() != uint64(len(reqs)-n) || r.Dropped() != 0 {
		t.Errorf("of %d, %d are recorded and %d passed over", len(reqs), n, r.Passed())
	}
	for record, err := range Read(bytes.NewReader([]byte(text))) {
		if err != nil || record.Sampled != .1 {
			t.Fatalf("%+v %v", record, err)
		}
	}
	if _, again := sampled(t, .1, reqs, allow, nil); fmt.Sprint(idsOf(again)) != fmt.Sprint(tenth) {
		t.Error("which are recorded is not a matter of their IDs alone")
	}
	_, text = sampled(t, .5, reqs, review.Decision{Verdict: review.NoOpinion}, nil)
	half := idsOf(text)
	for _, id := range tenth {
		if !slices.Contains(half, id) {
			t.Errorf("%s is among a tenth, and not among a half", id)
		}
	}
	if _, text := sampled(t, 0, reqs, allow, nil); text != "" {
		t.Errorf("none are wanted, and recorded are %q", idsOf(text))
	}
	if _, text := sampled(t, 1, reqs, allow, nil); fmt.Sprint(idsOf(text)) != fmt.Sprint(ids) || bytes.Contains([]byte(text), []byte("sampled")) {
		t.Error("all are wanted")
	}
}

func TestWhatIsNoMereAllowIsAlwaysRecorded(t *testing.T) {
	reqs, ids := many(t, 20, `"object":{}`)
	for name, c := range map[string]struct {
		d   review.Decision
		err error
	}{
		"a denial":                   {review.Decision{}, nil},
		"a warning":                  {review.Decision{Verdict: review.Allow, Findings: []review.Finding{{Effect: review.EffectWarn}}}, nil},
		"a fault that does not deny": {review.Decision{Verdict: review.Allow, Findings: []review.Finding{{Effect: review.EffectAudit, Fault: true}}}, nil},
		"no answer":                  {review.Decision{}, errors.New("out of time")},
	} {
		if r, text := sampled(t, 0, reqs, c.d, c.err); fmt.Sprint(idsOf(text)) != fmt.Sprint(ids) || r.Passed() != 0 || bytes.Contains([]byte(text), []byte("sampled")) {
			t.Errorf("%s: recorded are %s", name, text)
		}
	}
}
