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

// overruns counts the evaluations that were left behind, and those that have ended since.
type overruns struct{ begun, running atomic.Int64 }

func (*overruns) Asked(string, time.Duration, error) {}

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

func (l *leaving) Overrun(_ string, by int) {
	if by < 0 {
		close(l.ended)
	}
}
