package status

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/review"
)

// clock is a time that passes when a test says so.
type clock struct{ at time.Time }

func newClock() *clock { return &clock{time.Date(2027, 1, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time       { return c.at }
func (c *clock) pass(d time.Duration) { c.at = c.at.Add(d) }

// server is one that counts the reviews of Policies whose UIDs are "uid-" and their names.
func server(c *clock, by string, names ...string) *Counts {
	s := NewCounts(func(policy string) types.UID { return types.UID("uid-" + policy) })
	s.by, s.now, s.names = by, c.now, map[string]bool{}
	for _, name := range names {
		s.names[name] = true
	}
	return s
}

func (c *Counts) finds(policies ...string) {
	var d review.Decision
	for _, policy := range policies {
		d.Findings = append(d.Findings, review.Finding{Policy: policy, Effect: review.EffectDeny})
	}
	c.Count(&review.Request{Stage: review.Validate, Origin: review.FromWebhook}, d)
}

// says is a report that the Lease takes.
func (c *Counts) says() string {
	text, said := c.Report(false)
	said()
	return text
}

func read(t *testing.T, text string) *report {
	t.Helper()
	r, err := readReport(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestWhatCounts(t *testing.T) {
	earnest := review.Request{Stage: review.Validate, Origin: review.FromWebhook}
	one := []review.Finding{{Policy: "p", Effect: review.EffectDeny}}
	fault := review.Finding{Policy: "p", Effect: review.EffectDeny, Fault: true, Message: "no"}
	for _, row := range []struct {
		what     string
		change   func(*review.Request)
		findings []review.Finding
		want     sum
	}{
		{"a refusal", nil, one, sum{1, 0}},
		{"at mutate", func(r *review.Request) { r.Stage = review.Mutate }, one, sum{1, 0}},
		{"a warning and a record", nil, []review.Finding{{Policy: "p", Effect: review.EffectWarn}, {Policy: "p", Effect: review.EffectAudit}}, sum{2, 0}},
		{"two faults of one review", nil, []review.Finding{fault, fault}, sum{0, 1}},
		{"a fault beside a finding", nil, append(one[:1:1], fault), sum{1, 1}},
		{"of another policy", nil, []review.Finding{{Policy: "of a directory", Effect: review.EffectDeny}}, sum{}},
		{"excepted", nil, []review.Finding{{Policy: "p", Effect: review.EffectExcepted}, {Policy: "p", Effect: review.EffectExcepted, Fault: true}}, sum{}},
		{"a dry run", func(r *review.Request) { r.DryRun = true }, append(one[:1:1], fault), sum{}},
		{"an audit", func(r *review.Request) { r.Origin = review.FromAudit }, one, sum{}},
		// A review of these stages may be about a dry run, and does not say so.
		{"at guard", func(r *review.Request) { r.Stage = review.Guard }, one, sum{}},
		{"at grant", func(r *review.Request) { r.Stage = review.Grant }, one, sum{}},
		{"of a token", func(r *review.Request) { r.Stage = review.Authenticate }, one, sum{}},
		{"of an image", func(r *review.Request) { r.Stage = review.Image }, one, sum{}},
	} {
		s, req := server(newClock(), "a", "p"), earnest
		if row.change != nil {
			row.change(&req)
		}
		s.Count(&req, review.Decision{Findings: row.findings})
		text := s.says()
		if row.want == (sum{}) {
			if text != "" {
				t.Errorf("%s: %s", row.what, text)
			}
			continue
		}
		if e := read(t, text).Policies["uid-p"]; e.now() != row.want || e.before() != (sum{}) || (e.LastFault != nil) != (row.want.faults > 0) {
			t.Errorf("%s: %s", row.what, text)
		}
	}
}

// Only what has moved of late is said.
func TestReportOfWhatMoved(t *testing.T) {
	c := newClock()
	s := server(c, "a", "p", "q")
	if got := s.says(); got != "" {
		t.Errorf("nothing was found: %s", got)
	}
	s.finds("p")
	s.finds("p")
	want := `{"by":"a","policies":{"uid-p":{"findings":[0,2]}}}`
	if got := s.says(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	c.pass(recent - time.Second)
	if got := s.says(); got != want {
		t.Errorf("whoever leads since a moment ago does not hear %s, but %s", want, got)
	}
	c.pass(time.Second)
	if got := s.says(); got != "" {
		t.Errorf("nothing has moved for long: %s", got)
	}
	s.finds("p", "q")
	if got, want := s.says(), `{"by":"a","policies":{"uid-p":{"findings":[2,3]},"uid-q":{"findings":[0,1]}}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	// A Lease that was taken away may have been that of which nobody remembers anything.
	s.finds("p")
	if got, _ := s.Report(true); !strings.Contains(got, `"uid-p":{"findings":[3,4]}`) {
		t.Errorf("in a new Lease: %s", got)
	}
}

// What the Lease did not take is said until it does, however long that is.
func TestReportUntilItIsTaken(t *testing.T) {
	c := newClock()
	s := server(c, "a", "p")
	s.finds("p")
	for range 3 {
		if text, _ := s.Report(false); !strings.Contains(text, `"uid-p":{"findings":[0,1]}`) {
			t.Errorf("it is not said: %q", text)
		}
		c.pass(time.Hour)
	}
	// A Lease that was there may have taken it, and whoever led may have counted it.
	if text, _ := s.Report(true); !strings.Contains(text, `"uid-p":{"findings":[1,1]}`) {
		t.Errorf("in a new Lease: %q", text)
	}
}

// Beyond the bound what waits longest goes first, and what waits is said whole.
func TestReportIsBounded(t *testing.T) {
	c := newClock()
	var names []string
	for n := range 3*maxReported + 1 {
		names = append(names, fmt.Sprintf("p%04d", n))
	}
	s := server(c, "a", names...)
	heard := map[types.UID]int64{}
	for _, name := range names {
		s.finds(name)
		c.pass(time.Millisecond)
	}
	for round := range 4 {
		s.finds(names[0]) // one that always moves keeps nobody waiting
		c.pass(time.Millisecond)
		text := s.says()
		r := read(t, text)
		if len(text) > maxReport || len(r.Policies) > maxReported {
			t.Errorf("%d bytes about %d policies", len(text), len(r.Policies))
		}
		for uid, e := range r.Policies {
			heard[uid] = e.Findings[1]
		}
		if round == 0 && heard[types.UID("uid-"+names[0])] == 0 {
			t.Error("what waits longest is not said first")
		}
	}
	if len(heard) != len(names) {
		t.Errorf("%d of %d were said in four rounds", len(heard), len(names))
	}

	long := review.Finding{Policy: "", Effect: review.EffectWarn, Fault: true, Message: strings.Repeat("<é", 1000)}
	s = server(c, "b", names...)
	for _, name := range names {
		long.Policy = name
		s.Count(&review.Request{Stage: review.Mutate, Origin: review.FromWebhook}, review.Decision{Findings: []review.Finding{long}})
	}
	for said := 0; said < len(names); {
		text := s.says()
		if r := read(t, text); len(text) > maxReport || len(r.Policies) == 0 {
			t.Fatalf("%d bytes about %d policies", len(text), len(r.Policies))
		}
		said = 0
		for _, n := range s.of {
			if n.said == n.sum {
				said++
			}
		}
	}
}

// A Policy of a directory is not the object of its name, and what is gone is forgotten.
func TestFollow(t *testing.T) {
	load := loadOf(t, nil, nil, good)
	uid := types.UID("first")
	s := NewCounts(func(string) types.UID { return uid })
	s.finds("p")
	s.Follow(load.Set)
	if got := s.says(); got != "" {
		t.Errorf("before it was in force: %s", got)
	}
	s.finds("p")
	if got := s.says(); !strings.Contains(got, `"first":{"findings":[0,1]}`) {
		t.Errorf("in force: %s", got)
	}
	uid = "second" // it was deleted and made anew, as it was, so that nothing was loaded
	s.finds("p")
	if got := s.says(); !strings.Contains(got, `"second":{"findings":[0,1]}`) {
		t.Errorf("made anew: %s", got)
	}
	s.Follow(load.Set)
	if got := s.says(); strings.Contains(got, "first") {
		t.Errorf("what is gone is told of: %s", got)
	}
	uid = ""
	s.finds("p")
	s.Follow(policies.NewSet(nil))
	if got := s.says(); got != "" || len(s.of) != 0 {
		t.Errorf("all are gone: %s", got)
	}
}

func TestReadReport(t *testing.T) {
	for text, want := range map[string]string{
		`{`:                                     "a report of counts: unexpected end of JSON input",
		`{"policies":{"u":{"findings":[0,1]}}}`: "a report of counts does not say whose it is",
		`{"by":"a","policies":{"u":{"findings":[0,-1]}}}`:               "a report of counts has [0 -1] and [0 0] for u",
		`{"by":"a","policies":{"u":{"faults":[2,1]}}}`:                  "a report of counts has [0 0] and [2 1] for u",
		`{"by":"a","policies":{"u":{"findings":[0,9007199254740993]}}}`: "a report of counts has [0 9007199254740993] and [0 0] for u",
		strings.Repeat(" ", maxReport+1):                                "a report of 32769 bytes is more than 32768",
	} {
		if _, err := readReport(text); err == nil || err.Error() != want {
			t.Errorf("%.80s: %v, want %s", text, err, want)
		}
	}
	r := read(t, `{"by":"a","policies":{"u":{"faults":[0,1],"lastFault":{"time":null,"message":"`+strings.Repeat("x", 2000)+`"}}}}`)
	if got := len(r.Policies["u"].LastFault.Message); got > maxReason {
		t.Errorf("a message of %d bytes", got)
	}
}
