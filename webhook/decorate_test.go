package webhook

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/portcullis-dev/portcullis/review"
)

func TestDecorateOrder(t *testing.T) {
	var order []string
	named := func(name string) Decorator {
		return func(next review.Reviewer) review.Reviewer {
			return review.ReviewerFunc(func(ctx context.Context, req *review.Request) (review.Decision, error) {
				order = append(order, name)
				return next.Review(ctx, req)
			})
		}
	}
	if _, err := Decorate(allowing(), named("first"), named("second")).Review(t.Context(), &review.Request{}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(order, " "); got != "first second" {
		t.Error(got)
	}
}

func TestRecover(t *testing.T) {
	d, err := Decorate(panicking{}, Recover()).Review(t.Context(), &review.Request{})
	var panicked *review.PanicError
	if !errors.As(err, &panicked) || err.Error() != "the review panicked" || panicked.Value != "canary in the mine" ||
		!strings.Contains(string(panicked.Stack), "panicking") {
		t.Errorf("got %v", err)
	}
	if d.Verdict != review.Deny {
		t.Error("a panic allows")
	}
}

// holding is a Reviewer that returns when the test says so.
type holding struct{ started, release chan struct{} }

func newHolding() holding { return holding{make(chan struct{}, 100), make(chan struct{})} }

func (h holding) Review(context.Context, *review.Request) (review.Decision, error) {
	h.started <- struct{}{}
	<-h.release
	return review.Decision{Verdict: review.Allow}, nil
}

func sized(bytes int) *review.Request { return &review.Request{Body: make(review.Raw, bytes)} }

func TestLimit(t *testing.T) {
	for name, c := range map[string]struct {
		budget   int64
		inFlight int // bytes of the review that runs already
		next     int // bytes of the one that comes
		admitted bool
	}{
		"room for both":                   {6000, 500, 500, true},
		"no room":                         {6000, 501, 500, false},
		"empty bodies cost too":           {1, 0, 0, false},
		"as large as all, another runs":   {6000, 1, 1000, false},
		"small, one as large as all runs": {6000, 1000, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, err := NewMetrics(nil)
				if err != nil {
					t.Fatal(err)
				}
				hold := newHolding()
				limit := Limit(c.budget, m)
				first, second := limit(hold), limit(allowing()) // two endpoints, one budget
				done := make(chan error, 1)
				go func() {
					_, err := first.Review(t.Context(), sized(c.inFlight))
					done <- err
				}()
				<-hold.started
				start := time.Now()
				_, err = second.Review(t.Context(), sized(c.next))
				if (err == nil) != c.admitted {
					t.Fatalf("got %v", err)
				}
				if !c.admitted {
					if !errors.Is(err, review.ErrUnavailable) || err.Error() != "no answer is available now: too many reviews are in flight" {
						t.Errorf("got %v", err)
					}
					if took := time.Since(start); took != 100*time.Millisecond {
						t.Errorf("it waited %s", took)
					}
					if n := testutil.ToFloat64(m.shedding.WithLabelValues(shedBudget)); n != 1 {
						t.Errorf("%g are counted", n)
					}
				}
				close(hold.release)
				if err := <-done; err != nil {
					t.Error(err)
				}
				if _, err := second.Review(t.Context(), sized(c.next)); err != nil {
					t.Errorf("the room was not given back: %v", err)
				}
			})
		})
	}
}

// A review that needs more than there is never runs, not even alone; and where there is nothing, none does.
func TestLimitRefusesWhatNeverFits(t *testing.T) {
	for _, c := range []struct {
		budget int64
		bytes  int
		want   string
	}{
		{100, 500, "no answer is available now: the review needs 3000 bytes of memory, and all together may take 100"},
		{5999, 1000, "no answer is available now: the review needs 6000 bytes of memory, and all together may take 5999"},
		{0, 0, "no answer is available now: the review needs 1 bytes of memory, and all together may take 0"},
		{-5, 1, "no answer is available now: the review needs 6 bytes of memory, and all together may take 0"},
	} {
		m, err := NewMetrics(nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Limit(c.budget, m)(allowing()).Review(t.Context(), sized(c.bytes))
		if !errors.Is(err, review.ErrUnavailable) || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
		if n := testutil.ToFloat64(m.shedding.WithLabelValues(shedBudget)); n != 1 {
			t.Errorf("%g are counted", n)
		}
	}
}

// With the least budget, the longest review of every endpoint runs.
func TestLeastBudget(t *testing.T) {
	for maxAdmission, want := range map[int64]int64{0: 6 * 20 << 20, 8 << 20: 6 * 8 << 20, 1: 6 << 20} {
		got := LeastBudget(maxAdmission)
		if got != want {
			t.Errorf("with reviews of %d it is %d, want %d", maxAdmission, got, want)
		}
		for _, e := range Endpoints(func(review.Stage) review.Reviewer { return allowing() }, maxAdmission) {
			if _, err := Limit(got, nil)(allowing()).Review(t.Context(), sized(int(e.MaxBody))); err != nil {
				t.Errorf("%s: %v", e.Path, err)
			}
		}
	}
}

func TestLeastBudgetOfWhatCannotBe(t *testing.T) {
	if got := LeastBudget(math.MaxInt64); got != math.MaxInt64 {
		t.Errorf("it is %d", got)
	}
}

// A Reviewer that returns in time and leaves an evaluation behind keeps the review's share until that has ended.
func TestLimitHoldsRoomOfWhatIsLeftBehind(t *testing.T) {
	end := make(chan struct{})
	ended := make(chan struct{})
	limited := Limit(10, nil)(review.ReviewerFunc(func(ctx context.Context, _ *review.Request) (review.Decision, error) {
		release := review.Hold(ctx)
		go func() {
			defer close(ended)
			defer release()
			<-end
		}()
		return review.Decision{Verdict: review.Allow}, nil
	}))
	if _, err := limited.Review(t.Context(), sized(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := limited.Review(t.Context(), sized(1)); !errors.Is(err, review.ErrUnavailable) {
		t.Errorf("while the evaluation goes on: %v", err)
	}
	close(end)
	<-ended
	ended = make(chan struct{})
	if _, err := limited.Review(t.Context(), sized(1)); err != nil {
		t.Errorf("after it: %v", err)
	}
	<-ended
}

// TestLimitQueues lets a review wait for room that comes in time.
func TestLimitQueues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := newHolding()
		limited := Limit(6, nil)(hold)
		done := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := limited.Review(t.Context(), sized(1))
				done <- err
			}()
		}
		time.AfterFunc(90*time.Millisecond, func() { close(hold.release) })
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

// TestLimitHoldsRoomOfOverruns: memory is in use until the evaluation returns, whatever the caller was told.
func TestLimitHoldsRoomOfOverruns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := newHolding()
		h := handler(t, Limit(costFactor*int64(len(admission)), nil)(hold))
		if w := post(h, "/validate?timeout=1s", admission); w.Code != 503 {
			t.Fatal(w.Code)
		}
		w := post(h, "/validate?timeout=1s", admission)
		refused(t, w.Code, w.Header(), w.Body.Bytes(), 503, "no answer is available now: too many reviews are in flight")
		close(hold.release)
		synctest.Wait()
		if w := post(h, "/validate?timeout=1s", admission); w.Code != 200 {
			t.Error(w.Code, w.Body)
		}
	})
}

func TestExempt(t *testing.T) {
	refusing := answering(review.Decision{Verdict: review.Deny}, nil)
	exempt := Exempt("portcullis", "kube-system", "")(refusing)
	for name, c := range map[string]struct {
		stage  review.Stage
		target review.Target
		want   review.Verdict
	}{
		"in an exempt namespace":     {review.Validate, review.Target{Resource: "pods", Namespace: "kube-system"}, review.Allow},
		"mutating":                   {review.Mutate, review.Target{Resource: "pods", Namespace: "portcullis"}, review.Allow},
		"the namespace itself":       {review.Validate, review.Target{Resource: "namespaces", Namespace: "kube-system", Name: "kube-system"}, review.Allow},
		"its name alone":             {review.Validate, review.Target{Resource: "namespaces", Name: "kube-system"}, review.Allow},
		"another namespace":          {review.Validate, review.Target{Resource: "pods", Namespace: "prod"}, review.Deny},
		"another namespace itself":   {review.Validate, review.Target{Resource: "namespaces", Namespace: "kube-system", Name: "prod"}, review.Deny},
		"no namespace":               {review.Validate, review.Target{Resource: "nodes", Name: "kube-system"}, review.Deny},
		"another group's namespaces": {review.Validate, review.Target{Group: "x.io", Resource: "namespaces", Name: "kube-system"}, review.Deny},
		"a prefix":                   {review.Validate, review.Target{Resource: "pods", Namespace: "kube-system-2"}, review.Deny},
		"the guard":                  {review.Guard, review.Target{Resource: "pods", Namespace: "kube-system"}, review.Deny},
		"the grant":                  {review.Grant, review.Target{Resource: "pods", Namespace: "kube-system"}, review.Deny},
		"a token":                    {review.Authenticate, review.Target{}, review.Deny},
		"images":                     {review.Image, review.Target{Resource: "pods", Namespace: "kube-system"}, review.Deny},
	} {
		d, err := exempt.Review(t.Context(), &review.Request{Stage: c.stage, Target: c.target})
		if err != nil || d.Verdict != c.want || d.Patch != nil {
			t.Errorf("%s: %v (%v)", name, d.Verdict, err)
		}
	}
}
