package registration

import (
	"testing"
	"time"
)

func TestBucket(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	var b bucket
	if !b.rested(now) {
		t.Error("a full one has not rested")
	}
	for n := range mendBurst {
		if _, ok := b.take(now); !ok {
			t.Fatalf("it is empty after %d", n)
		}
	}
	for range 3 { // asking costs nothing
		if wait, ok := b.take(now.Add(time.Second)); ok || wait != mendEvery-time.Second {
			t.Errorf("wait %s, %t", wait, ok)
		}
	}
	now = now.Add(mendEvery)
	if _, ok := b.take(now); !ok {
		t.Error("it gets nothing back")
	}
	if wait, ok := b.take(now); ok || wait != mendEvery {
		t.Errorf("it gets more than one back: wait %s", wait)
	}
	if b.rested(now.Add(mendEvery)) || !b.rested(now.Add(2*mendEvery)) {
		t.Error("it rests too soon, or too long")
	}
	taken := 0
	for now = now.Add(24 * time.Hour); ; taken++ {
		if _, ok := b.take(now); !ok {
			break
		}
	}
	if taken != mendBurst {
		t.Errorf("it holds %d", taken)
	}
}
