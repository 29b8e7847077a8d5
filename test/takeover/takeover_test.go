package takeover

import (
	"fmt"
	"maps"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The leader is killed while objects come, change and go: what it had found stays in its reports until the others have it, and then every pair of an
// object and a policy is in exactly one report. So it is when another is stopped for longer than its Lease and goes on.
func TestTakeover(t *testing.T) {
	t.Parallel()
	w := start(t)
	for i := range 60 {
		w.put(i, false)
	}
	servers := map[string]*server{}
	for _, name := range []string{"one", "two", "three"} {
		servers[name] = w.serve(name)
	}
	w.until("three share the reports, each result in one", func() bool { return w.whole() && len(w.reported().shards) == 3 })

	leader := w.leader()
	before := maps.Clone(w.want)
	w.signal(servers[leader], syscall.SIGKILL)
	delete(servers, leader)
	kept := w.churn(before, 60)
	lacked, lost := false, map[string]bool{}
	w.until("every result is in one report, and none is of who was killed", func() bool {
		now := w.reported()
		for pair := range kept {
			if now.pairs[pair] == 0 {
				lost[pair] = true
			}
		}
		lacked = lacked || !now.has(w.want)
		return w.whole() && !now.shards[leader]
	})
	if len(lost) > 0 {
		t.Errorf("for a while these were in no report: %v", lost)
	}
	if !lacked {
		t.Error("control: nothing was missing before the others took over, so that nothing was taken over")
	}
	w.stays()

	var stopped string
	for stopped = range servers {
		break
	}
	w.signal(servers[stopped], syscall.SIGSTOP)
	w.churn(w.want, 90)
	w.until("the one that is left has everything", func() bool { return w.whole() && len(w.reported().shards) == 1 })
	w.churn(w.want, 120)
	w.signal(servers[stopped], syscall.SIGCONT)
	w.until("two share the reports again", func() bool { return w.whole() && len(w.reported().shards) == 2 })
	w.stays()
}

// churn makes objects from a number on, and changes and deletes some of those before. It returns which of the given pairs it leaves as they are.
func (w *world) churn(pairs map[string]bool, from int) (kept map[string]bool) {
	w.Helper()
	kept = maps.Clone(pairs)
	for i := range 30 {
		w.put(from+i, false)
	}
	for i := range 10 {
		w.put(from-2*(i+1), true)
		w.remove(from - 2*(i+1) - 1)
	}
	maps.DeleteFunc(kept, func(pair string, _ bool) bool { return !w.want[pair] })
	return kept
}

// stays looks for as long as reports take to be looked at again whether they stay as they are.
func (w *world) stays() {
	w.Helper()
	for range 20 {
		if !w.whole() {
			w.Fatalf("what was in one report each is not any more: %s", w.difference())
		}
		time.Sleep(250 * time.Millisecond)
	}
}

// difference says what is in no report, in several, and in one without being wanted.
func (w *world) difference() string {
	now, out := w.reported(), []string{}
	for pair := range w.want {
		if now.pairs[pair] != 1 {
			out = append(out, fmt.Sprintf("%s is there %d times", pair, now.pairs[pair]))
		}
	}
	for pair := range now.pairs {
		if !w.want[pair] {
			out = append(out, pair+" should not be there")
		}
	}
	return fmt.Sprintf("%s; of %v", strings.Join(out, ", "), now.shards)
}
