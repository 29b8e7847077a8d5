package cmd

import (
	"testing"
	"time"
)

// Lost records are trouble for a while, and no longer; so are results that are in no report for as long as there are any.
func TestWhatIsLostIsTroubleForAWhile(t *testing.T) {
	var l losses
	begin := time.Unix(1000, 0)
	for _, step := range []struct {
		after time.Duration
		count uint64
		want  bool
	}{{0, 0, false}, {time.Second, 3, true}, {lossTold, 3, true}, {lossTold + time.Second, 3, false}, {lossTold + 2*time.Second, 4, true}} {
		if got := l.seen(step.count, begin.Add(step.after)); got != step.want {
			t.Errorf("%d lost after %s: %t", step.count, step.after, got)
		}
	}
	c := &member{reported: &reportMetrics{}}
	if told := c.auditTroubles(begin); len(told) > 0 {
		t.Errorf("%v", told)
	}
	c.reported.lacks.Store(true)
	if told := c.auditTroubles(begin); len(told) != 1 || told[0].reason != "ReportsFull" {
		t.Errorf("%v", told)
	}
}
