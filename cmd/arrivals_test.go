package cmd

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portcullis-dev/portcullis/review"
)

func into(stage review.Stage, namespace string) *review.Request {
	return &review.Request{Stage: stage, Target: review.Target{Namespace: namespace}}
}

func TestArrivals(t *testing.T) {
	never := func(string) bool { return false }
	synctest.Test(t, func(t *testing.T) {
		a := newArrivals()
		took := func(ctx context.Context, req *review.Request, known func(string) bool) time.Duration {
			begun := time.Now()
			a.await(ctx, req, known)
			return time.Since(begun)
		}
		go func() {
			time.Sleep(30 * time.Millisecond)
			a.came("other")
			time.Sleep(30 * time.Millisecond)
			a.came("fresh")
		}()
		if d := took(t.Context(), into(review.Validate, "fresh"), never); d != 60*time.Millisecond {
			t.Errorf("a namespace that comes is waited for %v", d)
		}
		if d := took(t.Context(), into(review.Validate, "none"), never); d != arrivalTime {
			t.Errorf("one that never comes is waited for %v", d)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
		defer cancel()
		if d := took(ctx, into(review.Mutate, "none"), never); d != 200*time.Millisecond {
			t.Errorf("of 400ms it waits %v", d)
		}
		if d := took(t.Context(), into(review.Validate, "there"), func(string) bool { return true }); d != 0 {
			t.Errorf("one that came meanwhile is waited for %v", d)
		}
		if len(a.waiting)+len(a.admission) > 0 {
			t.Errorf("%d, %d are kept", len(a.waiting), len(a.admission))
		}
	})
}

// Whoever asks about namespaces that never come does not take the places of those whose namespace does.
func TestArrivalsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArrivals()
		var waited, turned atomic.Int32
		for n := range 10 * maxArrivals {
			go func() {
				begun := time.Now()
				a.await(t.Context(), into(review.Guard, fmt.Sprint("none-", n)), func(string) bool { return false })
				if time.Since(begun) > 0 {
					waited.Add(1)
				} else {
					turned.Add(1)
				}
			}()
		}
		synctest.Wait()
		if len(a.waiting) != maxArrivals || turned.Load() != 9*maxArrivals {
			t.Errorf("%d wait, and %d were turned away", len(a.waiting), turned.Load())
		}
		begun := time.Now()
		go func() { time.Sleep(50 * time.Millisecond); a.came("fresh") }()
		a.await(t.Context(), into(review.Validate, "fresh"), func(string) bool { return false })
		if d := time.Since(begun); d != 50*time.Millisecond {
			t.Errorf("admission waits %v", d)
		}
		time.Sleep(2 * arrivalTime)
		synctest.Wait()
		if waited.Load() != maxArrivals || len(a.waiting) > 0 {
			t.Errorf("%d have waited, %d still do", waited.Load(), len(a.waiting))
		}
	})
}
