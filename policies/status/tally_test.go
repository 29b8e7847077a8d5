package status

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
	"github.com/portcullis-dev/portcullis/review"
)

// leader is one that hears servers and writes the status of the Policy p.
type leader struct {
	*tally
	t      *testing.T
	status *v1alpha1.PolicyStatus
}

func leads(t *testing.T, c *clock, status *v1alpha1.PolicyStatus, reports ...string) leader {
	t.Helper()
	l := leader{&tally{now: c.now}, t, status}
	l.begin(reports)
	return l
}

func (l leader) hears(reports ...string) {
	l.t.Helper()
	for _, text := range reports {
		if text == "" { // which nobody is told
			continue
		}
		if err := l.hear(text); err != nil {
			l.t.Fatal(err)
		}
	}
}

// writes adds what is due, as a write that succeeds, and wants the status to be so then.
func (l leader) writes(findings, faults int64) {
	l.t.Helper()
	before := sumOf(l.status)
	if added, wrote := l.add("uid-p", l.status, false); added {
		wrote()
	}
	is := sumOf(l.status)
	if is != (sum{findings, faults}) {
		l.t.Errorf("the status has %d findings and %d faults, not %d and %d", is.findings, is.faults, findings, faults)
	}
	if is.findings < before.findings || is.faults < before.faults {
		l.t.Errorf("%+v fell to %+v", before, is)
	}
}

func TestReplicasAreAddedUp(t *testing.T) {
	c := newClock()
	a, b := server(c, "a", "p"), server(c, "b", "p")
	l := leads(t, c, &v1alpha1.PolicyStatus{})
	a.finds("p", "p")
	b.finds("p")
	l.hears(a.says(), b.says())
	l.hears(a.says(), b.says()) // the same again
	l.writes(3, 0)
	if got := l.status.CountedSince; got == nil || !got.Time.Equal(c.at) {
		t.Errorf("counted since %v", got)
	}
	c.pass(recent)
	a.says() // p is not told of any more
	a.finds("p")
	l.hears(a.says(), b.says())
	l.writes(4, 0)
}

// A server that is started again begins at 0, and what it had said is not lost.
func TestARestart(t *testing.T) {
	c := newClock()
	l := leads(t, c, &v1alpha1.PolicyStatus{})
	a := server(c, "a", "p")
	a.finds("p", "p")
	l.hears(a.says())
	l.writes(2, 0)
	c.pass(apart)
	again := server(c, "a, once more", "p")
	again.finds("p")
	l.hears(again.says())
	l.writes(3, 0)
	l.hears(`{"by":"a","policies":{"uid-p":{"findings":[0,1]}}}`) // an older report that comes late
	c.pass(apart)
	l.writes(3, 0)
}

// What another leader may have written is never added again.
func TestTheLeadChanges(t *testing.T) {
	c := newClock()
	status := &v1alpha1.PolicyStatus{}
	a, b := server(c, "a", "p"), server(c, "b", "p")
	first := leads(t, c, status)
	a.finds("p", "p")
	b.finds("p", "p", "p", "p")
	first.hears(a.says(), b.says())
	first.writes(6, 0)
	c.pass(recent)
	b.says()
	a.finds("p")
	text := a.says()
	first.hears(text) // and writes it never
	first.end()
	first.hears(a.says())

	second := leads(t, c, status, text)
	second.writes(6, 0)
	a.finds("p")
	b.finds("p") // of which nothing was said when the second began to lead
	second.hears(a.says(), b.says())
	second.writes(8, 0)
}

// Whatever becomes of servers, leaders, reports and writes: what is counted was found, and never falls.
func TestAtLeast(t *testing.T) {
	for seed := range uint64(200) {
		c, dice := newClock(), rand.New(rand.NewPCG(seed, 1))
		status, found, counted := &v1alpha1.PolicyStatus{}, int64(0), int64(0)
		servers, leases := []*Counts{server(c, "a", "p"), server(c, "b", "p")}, []string{"", ""}
		l := leads(t, c, status)
		for step := range 500 {
			n := dice.IntN(len(servers))
			switch dice.IntN(10) {
			case 0, 1, 2, 3:
				servers[n].finds("p")
				found++
			case 4, 5: // the Lease is written, or not, and the server knows, or not
				text, said := servers[n].Report(leases[n] == "")
				if dice.IntN(4) > 0 {
					if leases[n] = text; dice.IntN(4) > 0 {
						l.hears(text)
					}
					if dice.IntN(4) > 0 {
						said()
					}
				}
			case 6:
				c.pass(time.Duration(dice.IntN(240)) * time.Second)
			case 7, 8: // the status is written, or not, and the leader knows, or not
				next := status.DeepCopy()
				if added, wrote := l.add("uid-p", next, dice.IntN(4) == 0); added && dice.IntN(4) > 0 {
					if *status = *next; dice.IntN(4) > 0 {
						wrote()
					}
				}
			case 9:
				switch dice.IntN(10) {
				case 0:
					l = leads(t, c, status, leases...)
				case 1:
					servers[n] = server(c, fmt.Sprint(step), "p")
				}
			}
			is := sumOf(status).findings
			if is > found || is < counted {
				t.Fatalf("seed %d, step %d: %d are counted of %d, after %d", seed, step, is, found, counted)
			}
			counted = is
		}
		if counted == 0 {
			t.Errorf("seed %d: nothing is counted of %d", seed, found)
		}
	}
}

// A write of which it is not known whether it took place adds nothing twice.
func TestAWriteThatMayHaveFailed(t *testing.T) {
	for _, took := range []bool{true, false} {
		c := newClock()
		a := server(c, "a", "p")
		l := leads(t, c, &v1alpha1.PolicyStatus{})
		a.finds("p", "p")
		l.hears(a.says())
		next := l.status.DeepCopy()
		if added, _ := l.add("uid-p", next, false); !added {
			t.Fatal("nothing was added")
		}
		a.finds("p")
		l.hears(a.says())
		stale := l.status.DeepCopy()
		if l.add("uid-p", stale, false); sumOf(stale) != (sum{2, 0}) {
			t.Errorf("while it is not known another thing is tried: %+v", sumOf(stale))
		}
		if took {
			l.status = next
		} else {
			l.writes(2, 0)
			c.pass(apart)
		}
		l.writes(3, 0)
	}
}

// One Policy is written once a minute, and of many a few in a second, those first that wait longest.
func TestWritesAreFew(t *testing.T) {
	c := newClock()
	a := server(c, "a", "p")
	l := leads(t, c, &v1alpha1.PolicyStatus{})
	writes := 0
	for range 600 {
		a.finds("p")
		l.hears(a.says())
		if added, wrote := l.add("uid-p", l.status, false); added {
			writes++
			wrote()
		}
		c.pass(time.Second)
	}
	if writes != 10 {
		t.Errorf("in ten minutes it is written %d times", writes)
	}
	before := sumOf(l.status)
	if added, _ := l.add("uid-p", l.status, true); !added || sumOf(l.status) == before {
		t.Error("a status that is written anyway does not say what is due")
	}

	l = leads(t, c, &v1alpha1.PolicyStatus{})
	var names []string
	for n := range 200 {
		names = append(names, fmt.Sprint(n))
	}
	b := server(c, "b", names...)
	wrote := map[types.UID]int{}
	second := func() (count int) {
		for uid := range l.waiting() {
			if added, done := l.add(uid, &v1alpha1.PolicyStatus{}, false); added {
				done()
				wrote[uid]++
				count++
			}
		}
		c.pass(time.Second)
		return count
	}
	b.finds(names...)
	l.hears(b.says())
	if count := second(); count != atOnce {
		t.Errorf("%d were written at once", count)
	}
	for range 30 {
		if count := second(); count != perSecond {
			t.Errorf("%d were written in a second", count)
		}
	}
	for range 60 {
		second()
	}
	if len(wrote) != len(names) {
		t.Errorf("%d of %d were written", len(wrote), len(names))
	}
	if len(l.waiting()) != 0 || second() != 0 {
		t.Error("nothing has moved, and something waits")
	}
}

func TestCompareWaiting(t *testing.T) {
	c := newClock()
	early, late := c.at, c.at.Add(time.Second)
	for _, row := range []struct {
		a, b time.Time
		want int
	}{{early, late, -1}, {late, early, 1}, {late, time.Time{}, -1}, {time.Time{}, late, 1}, {time.Time{}, time.Time{}, 0}} {
		if got := compareWaiting(row.a, row.b); got != row.want {
			t.Errorf("%v and %v: %d", row.a, row.b, got)
		}
	}
}

func TestTheLastFault(t *testing.T) {
	c := newClock()
	l := leads(t, c, &v1alpha1.PolicyStatus{})
	fails := func(s *Counts, why string) string {
		s.Count(&review.Request{Stage: review.Mutate, Origin: review.FromWebhook},
			review.Decision{Findings: []review.Finding{{Policy: "p", Effect: review.EffectWarn, Fault: true, Message: why}}})
		return s.says()
	}
	a, b := server(c, "a", "p"), server(c, "b", "p")
	first := fails(a, "first")
	c.pass(time.Second)
	l.hears(fails(b, "second"), first)
	l.writes(0, 2)
	if want := (v1alpha1.PolicyFault{Time: metav1.NewTime(c.at), Message: "second"}); l.status.LastFault == nil || l.status.LastFault.Message != want.Message || !l.status.LastFault.Time.Equal(&want.Time) {
		t.Errorf("%+v", l.status.LastFault)
	}
	c.pass(apart)
	a.finds("p")
	l.hears(a.says())
	l.writes(1, 2)
	if l.status.LastFault.Message != "second" {
		t.Errorf("a finding has made it %+v", l.status.LastFault)
	}
}

// Another Policy of the name begins anew.
func TestAPolicyMadeAnew(t *testing.T) {
	c := newClock()
	a := server(c, "a", "p")
	l := leads(t, c, &v1alpha1.PolicyStatus{})
	a.finds("p")
	l.hears(a.says())
	a.uid = func(string) types.UID { return "another" }
	a.finds("p")
	l.hears(a.says())
	status := &v1alpha1.PolicyStatus{}
	if _, _ = l.add("another", status, false); sumOf(status) != (sum{1, 0}) {
		t.Errorf("%+v", sumOf(status))
	}
	c.pass(2 * apart)
	l.tidy(func(uid types.UID) bool { return uid == "another" })
	if _, waits := l.waiting()["uid-p"]; waits {
		t.Error("what is gone waits for ever")
	}
	c.pass(remembered)
	l.tidy(func(types.UID) bool { return true })
	if len(l.heard) != 0 {
		t.Errorf("%d are remembered", len(l.heard))
	}
}

func TestReportsThatCannotBeRead(t *testing.T) {
	c := newClock()
	l := leads(t, c, &v1alpha1.PolicyStatus{}, "{", strings.Repeat("x", maxReport+1))
	if err := l.hear("{"); err == nil {
		t.Error("it was read")
	}
	l.writes(0, 0)
	l.end()
	if err := l.hear("{"); err != nil {
		t.Errorf("who does not lead reads it: %v", err)
	}
}
