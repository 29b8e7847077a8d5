package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/portcullis-dev/portcullis/review"
)

type panicking struct{}

func (panicking) Review(context.Context, *review.Request) (review.Decision, error) {
	panic("canary in the mine")
}

const lateMessage = "no answer is available now: the review was not finished in time"

// TestStuckReviewer is answered for at the deadline, and counted until it returns.
func TestStuckReviewer(t *testing.T) {
	for _, e := range table(allowing()) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			h := handler(t, review.ReviewerFunc(func(context.Context, *review.Request) (review.Decision, error) {
				<-release // deaf to its context
				return review.Decision{Verdict: review.Allow}, nil
			}))
			heard := hearing(h.Handler)
			start := time.Now()
			w := post(h, e.Path+"?timeout=2s", sample(e.Path))
			refused(t, w.Code, w.Header(), w.Body.Bytes(), 503, lateMessage)
			if took := time.Since(start); took != 1950*time.Millisecond {
				t.Errorf("%s: answered after %s", e.Path, took)
			}
			if n := testutil.ToFloat64(h.metrics.overruns); n != 1 {
				t.Errorf("%g overruns are counted while it runs on", n)
			}
			if !strings.Contains(h.log.String(), "overruns its deadline") {
				t.Error("the log does not tell")
			}
			close(release)
			synctest.Wait()
			if n := testutil.ToFloat64(h.metrics.overruns); n != 0 {
				t.Errorf("%g overruns are counted after it returned", n)
			}
			if got := *heard; len(got) != 1 || got[0] != fmt.Sprint("deny ", lateMessage, " ", start) {
				t.Errorf("%s: heard %q", e.Path, got)
			}
		})
	}
}

// hearing lists what the handler tells of its answers.
func hearing(h *Handler) *[]string {
	var heard []string
	h.Heard = func(_ *review.Request, d review.Decision, err error, start time.Time) {
		heard = append(heard, fmt.Sprint(d.Verdict, " ", err, " ", start))
	}
	return &heard
}

// TestHeard is told once of what is answered, and not of what could not be read.
func TestHeard(t *testing.T) {
	for name, c := range map[string]struct {
		reviewer review.Reviewer
		body     string
		want     []string
	}{
		"a decision":    {allowing(), admission, []string{"allow <nil>"}},
		"a panic":       {panicking{}, admission, []string{"deny the review panicked"}},
		"not a review":  {allowing(), "{}", nil},
		"not available": {answering(review.Decision{}, review.Unavailable("busy")), admission, []string{"deny no answer is available now: busy"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := handler(t, c.reviewer)
				heard := hearing(h.Handler)
				start := time.Now()
				post(h, "/validate", c.body)
				var want []string
				for _, w := range c.want {
					want = append(want, fmt.Sprint(w, " ", start))
				}
				if !slices.Equal(*heard, want) {
					t.Errorf("heard %q, want %q", *heard, want)
				}
			})
		})
	}
}

// TestDefaultDeadline is for callers that send no timeout.
func TestDefaultDeadline(t *testing.T) {
	for _, e := range table(allowing()) {
		synctest.Test(t, func(t *testing.T) {
			h := handler(t, review.ReviewerFunc(func(ctx context.Context, _ *review.Request) (review.Decision, error) {
				deadline, ok := ctx.Deadline()
				if want := e.Deadline - e.Deadline/20; !ok || time.Until(deadline) != want {
					t.Errorf("%s: the reviewer has %s, not %s", e.Path, time.Until(deadline), want)
				}
				return review.Decision{}, nil
			}))
			if w := post(h, e.Path, sample(e.Path)); w.Code != http.StatusOK {
				t.Error(w.Code, w.Body)
			}
		})
	}
}

// TestPoliteReviewer gives up at its deadline, and what it says of that still reaches the caller.
func TestPoliteReviewer(t *testing.T) {
	for name, c := range map[string]struct {
		decision review.Decision
		err      error
		code     int
		want     string
	}{
		"a decision by onError": {review.Decision{Verdict: review.Allow}, nil, 200, ""},
		"the context's error":   {review.Decision{}, context.DeadlineExceeded, 503, lateMessage},
		"a reason":              {review.Decision{}, review.Unavailable("policy x took too long"), 503, "no answer is available now: policy x took too long"},
		"cancelled, wrapped":    {review.Decision{}, errors.Join(errors.New("rego"), context.Canceled), 503, lateMessage},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := handler(t, review.ReviewerFunc(func(ctx context.Context, _ *review.Request) (review.Decision, error) {
					<-ctx.Done()
					time.Sleep(20 * time.Millisecond)
					return c.decision, c.err
				}))
				w := post(h, "/validate?timeout=1s", admission)
				if c.code == http.StatusOK {
					if w.Code != c.code {
						t.Error(w.Code, w.Body)
					}
					return
				}
				refused(t, w.Code, w.Header(), w.Body.Bytes(), c.code, c.want)
				if n := testutil.ToFloat64(h.metrics.overruns); n != 0 {
					t.Errorf("%g overruns are counted", n)
				}
			})
		})
	}
}

// TestCallerGone ends the evaluation with the request.
func TestCallerGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := handler(t, review.ReviewerFunc(func(ctx context.Context, _ *review.Request) (review.Decision, error) {
			<-ctx.Done()
			return review.Decision{}, ctx.Err()
		}))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		w := postWith(ctx, h, "/validate", admission)
		refused(t, w.Code, w.Header(), w.Body.Bytes(), 503, lateMessage)
		if took := time.Since(start); took != time.Second {
			t.Errorf("the evaluation ran on for %s", took)
		}
		synctest.Wait()
	})
}

// TestPanicsInTheDialect are the handler's own to catch.
func TestPanicsInTheDialect(t *testing.T) {
	rows := table(allowing())
	rows[0].Dialect = func([]byte) (*review.Request, func(review.Decision) any, error) { panic("canary") }
	rows[1].Dialect = func(body []byte) (*review.Request, func(review.Decision) any, error) {
		req, _, err := review.DialectGuard(body)
		return req, func(review.Decision) any { panic("canary") }, err
	}
	rows[2].Dialect = func(body []byte) (*review.Request, func(review.Decision) any, error) {
		req, _, err := review.DialectGrant(body)
		return req, func(review.Decision) any { return func() {} }, err // no JSON for that
	}
	h, err := NewHandler(rows, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range rows[:3] {
		w := post(h, e.Path, sample(e.Path))
		if w.Code != 500 || w.Header().Get("Retry-After") != "1" || !strings.Contains(w.Body.String(), "internal error: see the server's log") {
			t.Errorf("%s: %d %s", e.Path, w.Code, w.Body)
		}
	}
}
