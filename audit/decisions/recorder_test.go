package decisions

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/portcullis-dev/portcullis/review"
)

// question makes the Request of an AdmissionReview about a resource; body is its request's other members, and operation CREATE unless given.
func question(t testing.TB, uid, resource, body string, operation ...string) *review.Request {
	t.Helper()
	operation = append(operation, "CREATE")
	req, _, err := review.DialectValidate(fmt.Appendf(nil, `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":%q,"operation":%q,`+
		`"kind":{"group":"","version":"v1","kind":"Any"},"resource":{"group":"","version":"v1","resource":%q},%s}}`, uid, operation[0], resource, body))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// recorded has answers recorded, in order, and returns what was written once the recorder has ended.
func recorded(t *testing.T, out io.Writer, reqs []*review.Request, d review.Decision, err error) *Recorder {
	t.Helper()
	clock := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("somewhere", 3600))
	now := func() time.Time { clock = clock.Add(time.Millisecond); return clock }
	r := NewRecorder(out, now)
	for _, req := range reqs {
		r.Hear(req, d, err, now())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Start(ctx); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestARecordIsALineInTheShapeOfOPAsDecisionLogs(t *testing.T) {
	pod := question(t, "u-1", "pods", `"object":{"metadata":{"name":"web"}}`)
	token, _, err := review.DialectAuthenticate([]byte(`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"0123456789abcdef"}}`))
	if err != nil {
		t.Fatal(err)
	}
	token.ID = "u-2" // a TokenReview has none; a record has one of its own, which is random
	for _, c := range []struct {
		name     string
		req      *review.Request
		decision review.Decision
		err      error
		want     string
	}{
		{
			"refused", pod,
			review.Decision{Revision: "r1", Findings: []review.Finding{
				{Policy: "a", Effect: review.EffectDeny, Message: "no", Field: "spec"}, {Policy: "b", Effect: review.EffectAudit, Message: "hm", Fault: true},
			}},
			nil,
			`{"decision_id":"u-1","timestamp":"2026-01-02T02:04:05.001Z","revision":"r1","path":"validate","input":` + string(pod.Body) +
				`,"result":{"verdict":"deny","findings":[{"policy":"a","effect":"deny","message":"no","field":"spec"},{"policy":"b","effect":"audit","message":"hm","fault":true}]},"metrics":{"timer_server_handler_ns":1000000}}`,
		},
		{
			"patched", pod,
			review.Decision{Verdict: review.Allow, Patch: []byte(`[{"op":"remove","path":"/a"}]`)},
			nil,
			`{"decision_id":"u-1","timestamp":"2026-01-02T02:04:05.001Z","path":"validate","input":` + string(pod.Body) +
				`,"result":{"verdict":"allow","patch":[{"op":"remove","path":"/a"}]},"metrics":{"timer_server_handler_ns":1000000}}`,
		},
		{
			"not answered", pod,
			review.Decision{},
			errors.New("out of\npaper"),
			`{"decision_id":"u-1","timestamp":"2026-01-02T02:04:05.001Z","path":"validate","input":` + string(pod.Body) +
				`,"error":"out of paper","metrics":{"timer_server_handler_ns":1000000}}`,
		},
		{
			"somebody's token", token,
			review.Decision{Verdict: review.Allow, Identity: &review.User{Username: "jane"}},
			nil,
			`{"decision_id":"u-2","timestamp":"2026-01-02T02:04:05.001Z","path":"authenticate","input":{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"(erased)"}},` +
				`"erased":["/input/spec/token"],"result":{"verdict":"allow","user":"jane"},"metrics":{"timer_server_handler_ns":1000000}}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			recorded(t, &out, []*review.Request{c.req}, c.decision, c.err)
			if got := out.String(); got != c.want+"\n" {
				t.Errorf("the record is\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestARecordWithoutAUIDHasAnIDOfItsOwn(t *testing.T) {
	req := question(t, "u", "pods", `"object":{}`)
	req.ID = ""
	var out bytes.Buffer
	recorded(t, &out, []*review.Request{req, req}, review.Decision{}, nil)
	ids := map[string]bool{}
	for line := range strings.Lines(out.String()) {
		var r Record
		if err := json.Unmarshal([]byte(line), &r); err != nil || len(r.DecisionID) < 16 {
			t.Errorf("%q %v", r.DecisionID, err)
		}
		ids[r.DecisionID] = true
	}
	if len(ids) != 2 {
		t.Errorf("two records have %d ids", len(ids))
	}
}

// idsOf lists the decision ids of whole lines, in order; the rest is noise of a torn line.
func idsOf(text string) (ids []string) {
	for line := range strings.Lines(text) {
		var r Record
		if json.Unmarshal([]byte(line), &r) == nil && strings.HasSuffix(line, "\n") && r.DecisionID != "" && r.Path != PathGap {
			ids = append(ids, r.DecisionID)
		}
	}
	return ids
}

func many(t *testing.T, n int, body string) (reqs []*review.Request, ids []string) {
	for i := range n {
		id := fmt.Sprintf("u-%d", i)
		ids = append(ids, id)
		reqs = append(reqs, question(t, id, "pods", body))
	}
	return reqs, ids
}

func TestRecordsAreWrittenInOrderWhileItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		r := NewRecorder(&out, time.Now)
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = r.Start(ctx) })
		reqs, ids := many(t, 200, `"object":{}`)
		for _, req := range reqs {
			r.Hear(req, review.Decision{}, nil, time.Now())
		}
		synctest.Wait() // everything waits for something, so the recorder has nothing left to write
		if got := idsOf(out.String()); fmt.Sprint(got) != fmt.Sprint(ids) {
			t.Errorf("the records are %v", got)
		}
		stop()
		running.Wait()
	})
}

func TestWhatWaitsIsWrittenAtTheEnd(t *testing.T) {
	var out writes
	reqs, ids := many(t, 1000, `"object":{"x":"`+strings.Repeat("x", 200)+`"}`)
	r := recorded(t, &out, reqs, review.Decision{}, nil)
	if got := idsOf(out.text.String()); fmt.Sprint(got) != fmt.Sprint(ids) || r.Dropped() != 0 {
		t.Errorf("%d of %d records were written, %d dropped", len(got), len(ids), r.Dropped())
	}
	if out.calls > 20 {
		t.Errorf("1000 small records took %d writes", out.calls)
	}
}

// writes is a file that counts how often it is written to, and fails when it is told to, after half of what it was given.
type writes struct {
	text  bytes.Buffer
	calls int
	fail  func(call int, p []byte) (written int, err error)
}

func (w *writes) Write(p []byte) (int, error) {
	w.calls++
	n, err := len(p), error(nil)
	if w.fail != nil {
		n, err = w.fail(w.calls, p)
	}
	w.text.Write(p[:n])
	return n, err
}

var errFull = errors.New("no space left on device")

func TestAWriteThatFailsLosesItsRecordsAndNoOthers(t *testing.T) {
	// Each record is larger than a batch, so that each is one write.
	reqs, _ := many(t, 4, `"object":{"x":"`+strings.Repeat("x", maxBatch)+`"}`)
	for _, c := range []struct {
		name string
		fail func(call int, p []byte) (int, error)
		want string
	}{
		{"nothing of the second is written", func(call int, p []byte) (int, error) {
			if call == 2 {
				return 0, errFull
			}
			return len(p), nil
		}, "[u-0 u-2 u-3]"},
		{"half of the second is written", func(call int, p []byte) (int, error) {
			if call == 2 {
				return len(p) / 2, errFull
			}
			return len(p), nil
		}, "[u-0 u-2 u-3]"},
		{"half of the second and nothing of the gap and the third", func(call int, p []byte) (int, error) {
			switch call {
			case 2:
				return len(p) / 2, errFull
			case 3, 4:
				return 0, errFull
			}
			return len(p), nil
		}, "[u-0 u-3]"},
		{"all of the second is written, and an error told all the same", func(call int, p []byte) (int, error) {
			if call == 2 {
				return len(p), errFull
			}
			return len(p), nil
		}, "[u-0 u-1 u-2 u-3]"},
		{"nothing is ever written", func(int, []byte) (int, error) { return 0, errFull }, "[]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := writes{fail: c.fail}
			r := recorded(t, &out, reqs, review.Decision{}, nil)
			got := idsOf(out.text.String())
			if fmt.Sprint(got) != c.want {
				t.Errorf("the records are %v, want %s", got, c.want)
			}
			if lost := uint64(len(reqs) - len(got)); r.Dropped() != lost {
				t.Errorf("%d are counted as dropped, and %d are missing", r.Dropped(), lost)
			}
		})
	}
}

func TestInABatchThatIsCutOffTheWholeLinesCount(t *testing.T) {
	reqs, _ := many(t, 10, `"object":{}`)
	out := writes{fail: func(_ int, p []byte) (int, error) {
		return bytes.Index(p, []byte("u-7")), errFull
	}}
	if r := recorded(t, &out, reqs, review.Decision{}, nil); r.Dropped() != 3 || len(idsOf(out.text.String())) != 7 {
		t.Errorf("%d are counted as dropped: %v", r.Dropped(), idsOf(out.text.String()))
	}
}

// A recorder nobody reads from, or whose file hangs, costs no request a moment: the reviews of this test would never end.
func TestARequestNeverWaitsForTheRecorder(t *testing.T) {
	small, _ := many(t, 1, `"object":{}`)
	large, _ := many(t, 1, `"object":{"x":"`+strings.Repeat("x", 16<<20)+`"}`)
	for _, c := range []struct {
		name string
		req  *review.Request
		sent int
		want uint64 // dropped
	}{
		{"many", small[0], maxQueued + 10, 10},
		{"large ones", large[0], 10, 10 - maxQueuedBytes/(16<<20) + 1}, // a review is a little larger than its object
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := NewRecorder(io.Discard, time.Now)
				for range c.sent {
					r.Hear(c.req, review.Decision{}, nil, time.Now())
				}
				if r.Dropped() != c.want {
					t.Errorf("%d were dropped, want %d", r.Dropped(), c.want)
				}
				go func() { _ = r.Start(t.Context()) }()
				synctest.Wait() // everything is written
				r.Hear(c.req, review.Decision{}, nil, time.Now())
				if r.Dropped() != c.want {
					t.Error("there is room again, but another one was dropped")
				}
			})
		})
	}
}

// Nobody writes any more what is heard after the end, and that is not a secret.
func TestWhatComesAfterTheEndIsDropped(t *testing.T) {
	var out bytes.Buffer
	reqs, _ := many(t, 2, `"object":{}`)
	r := recorded(t, &out, reqs[:1], review.Decision{}, nil)
	r.Hear(reqs[1], review.Decision{}, nil, time.Now())
	if got := idsOf(out.String()); fmt.Sprint(got) != "[u-0]" || r.Dropped() != 1 {
		t.Errorf("the records are %v, and %d were dropped", got, r.Dropped())
	}
}

func TestManyMayBeRecordedAtOnce(t *testing.T) {
	t.Run("until the end", func(t *testing.T) { recordAtOnce(t, false) })
	t.Run("and past it", func(t *testing.T) { recordAtOnce(t, true) })
}

// recordAtOnce has eight callers recorded while the recorder runs, or ends meanwhile; what is not written is counted.
func recordAtOnce(t *testing.T, end bool) {
	var out bytes.Buffer
	r := NewRecorder(&out, time.Now)
	ctx, stop := context.WithCancel(t.Context())
	var running, callers sync.WaitGroup
	running.Go(func() { _ = r.Start(ctx) })
	const each, of = 500, 8
	for i := range of {
		callers.Go(func() {
			for j := range each {
				req := question(t, "u", "pods", `"object":{}`)
				req.ID = types.UID(fmt.Sprintf("%d-%d", i, j))
				r.Hear(req, review.Decision{}, nil, time.Now())
			}
		})
	}
	if end {
		stop()
	}
	callers.Wait()
	stop()
	running.Wait()
	if got := uint64(len(idsOf(out.String()))) + r.Dropped(); got != each*of {
		t.Errorf("%d of %d answers were written or counted", got, each*of)
	}
}
