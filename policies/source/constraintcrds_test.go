package source

import (
	"crypto/sha256"
	"slices"
	"testing"
	"time"
)

// The longer somebody else changes a CRD back, the longer they have it so, until the template says something else.
func TestTruce(t *testing.T) {
	one, two := sha256.Sum256([]byte("one")), sha256.Sum256([]byte("two"))
	var last writtenCRD
	var got []time.Duration
	for range 100 {
		last = last.again(one, false, time.Now())
		got = append(got, last.truce())
	}
	if want := []time.Duration{10 * time.Minute, 20 * time.Minute, 40 * time.Minute, time.Hour, time.Hour}; !slices.Equal(got[:5], want) || got[99] != time.Hour {
		t.Errorf("%v, want %v", got, want)
	}
	if got := last.again(two, false, time.Now()).truce(); got != 10*time.Minute {
		t.Errorf("%s for another CRD, want 10m", got)
	}
}

// A truce that is over is found by the CRD's own length, not by that of the first.
func TestTruceIsOver(t *testing.T) {
	sum := sha256.Sum256([]byte("one"))
	for lost, want := range []bool{true, false} {
		c := &ConstraintCRDs{wrote: map[string]writtenCRD{"a": {sum, false, time.Now().Add(-truce - time.Minute), lost}}}
		if got := c.again("a", errLeftAlone); got != want {
			t.Errorf("lost %d times, written eleven minutes ago: over is %t, want %t", lost, got, want)
		}
	}
}
