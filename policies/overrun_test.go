package policies

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/portcullis-dev/portcullis/policies/language"
	"github.com/portcullis-dev/portcullis/review"
)

// evaluating counts the goroutines on which a rule is being asked.
func evaluating() int {
	stacks := make([]byte, 1<<20)
	for n := runtime.Stack(stacks, true); n == len(stacks); n = runtime.Stack(stacks, true) {
		stacks = make([]byte, 2*len(stacks))
	}
	return strings.Count(string(stacks), "policies.(*worker).run(")
}

// overruns counts the evaluations that were left behind, those that have ended since, and how often a policy was not asked for them.
type overruns struct{ begun, running, refused atomic.Int64 }

func (*overruns) Asked(string, time.Duration, error) {}

func (o *overruns) Quarantined(string) { o.refused.Add(1) }

func (o *overruns) Overrun(_ string, by int) {
	o.running.Add(int64(by))
	if by > 0 {
		o.begun.Add(1)
	}
}

// An evaluation that is left behind is told to end, and does: after however many, none is left.
func TestEvaluationsLeftBehindEnd(t *testing.T) {
	left := &overruns{}
	set, err := Compile(t.Context(), []Spec{specOf(t, "a", slow)}, WithObserver(left))
	if err != nil {
		t.Fatal(err)
	}
	const times = 20
	var callers sync.WaitGroup
	for range times {
		callers.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if d, err := set.Review(ctx, podCreate(t, pod)); err != nil || !d.Faulty() {
				t.Errorf("%+v %v", d, err)
			}
		})
	}
	callers.Wait()
	for deadline := time.Now().Add(30 * time.Second); evaluating() > 0 || left.running.Load() != 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d evaluations still run, %d are counted", evaluating(), left.running.Load())
		}
	}
	if left.begun.Load() == 0 {
		t.Error("no evaluation was ever left behind; the policy is not slow enough")
	}
}

// hear ends every call of the deaf function that waits.
var (
	deafMu sync.Mutex
	heard  = make(chan struct{})
	called atomic.Int64 // how often the deaf function was
)

func hear() {
	deafMu.Lock()
	defer deafMu.Unlock()
	close(heard)
	heard = make(chan struct{})
}

func TestMain(m *testing.M) {
	language.Register()
	// A function that takes no notice of its evaluation's end, as some of OPA's do for seconds, in the place of one that nobody needs here.
	topdown.RegisterBuiltinFunc("uuid.parse", func(_ topdown.BuiltinContext, _ []*ast.Term, iter func(*ast.Term) error) error {
		called.Add(1)
		deafMu.Lock()
		until := heard
		deafMu.Unlock()
		<-until
		return iter(ast.ObjectTerm())
	})
	m.Run()
}

const deaf = "package a\ndeny contains \"no\" if uuid.parse(input.request.uid)"

// A policy whose evaluations do not end is not asked again until they have: each would hold memory that nobody counts.
func TestAPolicyThatLeavesTooMuchBehindIsQuarantined(t *testing.T) {
	left, before := &overruns{}, called.Load()
	set, err := Compile(t.Context(), []Spec{specOf(t, "a", deaf), specOf(t, "b", "package b\ndeny contains \"b\"")}, WithObserver(left))
	if err != nil {
		t.Fatal(err)
	}
	review := func() string {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		d, err := set.Review(ctx, podCreate(t, pod))
		if err != nil || len(d.Findings) == 0 {
			t.Fatalf("%+v %v", d, err)
		}
		return d.Findings[0].String()
	}
	const late = "a: the policy could not be evaluated: it did not answer in time"
	const quarantined = "a: the policy could not be evaluated: it is not asked until its evaluations that ran out of time have ended"
	for i := range maxBehind + 1 {
		if got := review(); got != late {
			t.Fatalf("review %d: %s", i, got)
		}
	}
	for range 20 {
		if got := review(); got != quarantined {
			t.Error(got)
		}
	}
	if calls, refused := called.Load()-before, left.refused.Load(); calls > maxBehind+1 || refused != 20 {
		t.Errorf("it was asked %d times, and of 20 times in quarantine it was not asked %d times", calls, refused)
	}
	// The other policies are asked all the same.
	d, err := set.Review(t.Context(), podCreate(t, pod))
	if err != nil || d.Refusal() != "2 reasons:\n- "+quarantined+"\n- b: b" {
		t.Errorf("%+v %v", d, err)
	}
	hear()
	for deadline := time.Now().Add(30 * time.Second); left.running.Load() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the evaluations do not end")
		}
	}
	if got := review(); got != late {
		t.Errorf("once they have ended: %s", got)
	}
	hear()
	for left.running.Load() != 0 {
		time.Sleep(time.Millisecond)
	}
}

func TestOneOldEvaluationIsEnoughForQuarantine(t *testing.T) {
	var b behind
	now, one, other := time.Now(), &worker{}, &worker{}
	for _, step := range []struct {
		do   func()
		want bool
	}{
		{func() {}, false},
		{func() { b.add(one, now.Add(-maxBehindAge)) }, false},
		{func() { b.add(other, now.Add(-maxBehindAge-1)) }, true},
		{func() { b.ended(one) }, true},
		{func() { b.ended(other) }, false},
	} {
		if step.do(); b.quarantined(now) != step.want {
			t.Errorf("%d left behind: %v", len(b.since), !step.want)
		}
	}
}

// The goroutines that evaluations ran on are kept for a while, and end when nothing has come. A goroutine left in the bubble fails the test.
func TestTheCrewGoesHome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := make(crew)
		var ran sync.WaitGroup
		for range 20 {
			ran.Add(1)
			c.run(ran.Done)
		}
		ran.Wait()
		time.Sleep(idle)
		synctest.Wait()
	})
}

// What a review takes up is held until its last evaluation has ended, though the answer came before.
func TestAnEvaluationLeftBehindHoldsTheReview(t *testing.T) {
	left := &leaving{ended: make(chan struct{})}
	set, err := Compile(t.Context(), []Spec{specOf(t, "a", slow)}, WithObserver(left))
	if err != nil {
		t.Fatal(err)
	}
	freed := make(chan bool, 1)
	ctx, returned := review.WithHold(t.Context(), func() {
		select {
		case <-left.ended:
			freed <- true
		default:
			freed <- false
		}
	})
	ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	if d, err := set.Review(ctx, podCreate(t, pod)); err != nil || !d.Faulty() {
		t.Errorf("%+v %v", d, err)
	}
	returned()
	if !<-freed {
		t.Error("it was free while the evaluation went on")
	}
}

// leaving is an Observer that tells when an evaluation that was left behind has ended.
type leaving struct{ ended chan struct{} }

func (*leaving) Asked(string, time.Duration, error) {}

func (*leaving) Quarantined(string) {}

func (l *leaving) Overrun(_ string, by int) {
	if by < 0 {
		close(l.ended)
	}
}
