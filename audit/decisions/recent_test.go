package decisions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/review"
)

// noon is when the records of these tests begin.
var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// keep has records kept, each a second after the one before unless it has a time.
func keep(t *testing.T, r *Recent, records ...Record) {
	t.Helper()
	for i := range records {
		if records[i].Timestamp.IsZero() {
			records[i].Timestamp = noon.Add(time.Duration(i) * time.Second)
		}
		line, err := json.Marshal(records[i])
		if err != nil {
			t.Fatal(err)
		}
		if lost, err := r.Write([][]byte{line}); lost != 0 || err != nil {
			t.Fatalf("%d lost: %v", lost, err)
		}
		for j := range line { // a Sink does not keep the lines
			line[j] = 'x'
		}
	}
}

// allIDs lists what is kept and chosen.
func allIDs(r *Recent, f Filter) (ids []string) {
	for b := range r.All() {
		if f.Matches(b) {
			ids = append(ids, b.ID)
		}
	}
	return ids
}

const access = `{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","spec":{"user":"jane","resourceAttributes":` +
	`{"namespace":"shop","verb":"create","resource":"pods","name":"web","version":"v1"}}}`

// admission is the input of a record about a Pod.
func admission(user, namespace, object string) json.RawMessage {
	return fmt.Appendf(nil, `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","operation":"CREATE",`+
		`"kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},"namespace":%q,"name":"web",`+
		`"userInfo":{"username":%q},"object":%s}}`, namespace, user, object)
}

// theDay is a record of each kind.
func theDay() []Record {
	refused := &Result{Verdict: "deny", Findings: []Finding{{Policy: "b"}, {Policy: "a"}, {Policy: "b"}}}
	return []Record{
		{
			DecisionID: "token", Path: "authenticate", Result: &Result{Verdict: "allow", User: "jane"}, Credential: "c",
			Input: []byte(`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"(erased)"}}`),
		},
		{DecisionID: "access", Path: "guard", Result: &Result{Verdict: "no-opinion"}, Input: []byte(access), Credential: "c"},
		{DecisionID: "refused", Path: "validate", Result: refused, Input: admission("jane", "shop", `{}`), Credential: "c"},
		{DecisionID: "late", Path: "validate", Error: "too late", Input: admission("joe", "bank", `{}`)},
		{DecisionID: "namespace", Path: "validate", Result: &Result{Verdict: "allow"}, Input: []byte(strings.ReplaceAll(strings.ReplaceAll(
			string(admission("joe", "", `{}`)), `"pods"`, `"namespaces"`), `"name":"web"`, `"name":"bank"`))},
		{DecisionID: "lost", Path: PathGap, Gap: &Gap{Lost: 7}},
		{DecisionID: "told", Path: PathEvent, Event: &Event{
			AuditID: "told", Verb: "create", User: "jane", Resource: "pods", Namespace: "shop", Name: "web", Decisions: []string{"refused"}, FailedOpen: []string{"x"},
		}},
		{DecisionID: "path", Path: PathEvent, Event: &Event{AuditID: "path", Verb: "get", User: "joe", RequestURI: "/metrics?token=canary"}},
		{DecisionID: "unknown", Path: "validate", Result: &Result{Verdict: "allow"}, Input: []byte(`"(erased)"`)},
	}
}

func TestRecentRecordsAreFoundByWhatListsTell(t *testing.T) {
	var r Recent
	keep(t, &r, theDay()...)
	for _, c := range []struct {
		f    Filter
		want string
	}{
		{Filter{}, "[unknown path told lost namespace late refused access token]"},
		{Filter{Verdict: "deny"}, "[refused]"},
		{Filter{Verdict: NoAnswer}, "[late]"},
		{Filter{Policy: "a"}, "[refused]"},
		{Filter{Policy: "c"}, "[]"},
		{Filter{Namespace: "shop"}, "[told refused access]"},
		{Filter{Namespace: "bank"}, "[namespace late]"},
		{Filter{User: "jane"}, "[told refused access token]"},
		{Filter{User: "jane", Path: "guard"}, "[access]"},
		{Filter{FailedOpen: true}, "[told]"},
	} {
		if got := fmt.Sprint(allIDs(&r, c.f)); got != c.want {
			t.Errorf("%+v: %s, want %s", c.f, got, c.want)
		}
	}
	var told []string
	for b := range r.All() {
		told = append(told, strings.Join(append([]string{b.Verb, b.Target.String(), "in", b.Namespace()}, b.Policies...), " "))
	}
	const want = "  in |get /metrics in |create pods shop/web in shop|  in |create namespaces bank in bank|create pods bank/web in bank|" +
		"create pods shop/web in shop a b|create pods shop/web in shop|  in "
	if got := strings.Join(told, "|"); got != want {
		t.Errorf("the list tells %s\nwant %s", got, want)
	}
}

func TestRecentForgetsTheOldestThereIsNoRoomFor(t *testing.T) {
	day := theDay()
	few := Recent{Records: 3}
	keep(t, &few, day...)
	if got := fmt.Sprint(allIDs(&few, Filter{})); got != "[unknown path told]" || few.Forgotten() != 6 {
		t.Errorf("of three records %s are kept, %d forgotten", got, few.Forgotten())
	}
	small := Recent{Bytes: 64 << 10}
	for i := range 50 {
		keep(t, &small, Record{DecisionID: fmt.Sprint(i), Path: "validate", Input: admission("jane", "shop", `{"x":"`+strings.Repeat("x", 10<<10)+`"}`)})
	}
	if got := fmt.Sprint(allIDs(&small, Filter{})); got != "[49 48 47 46 45]" || small.Forgotten() != 45 || small.bytes > 64<<10 {
		t.Errorf("in 64 KiB %s are kept, %d forgotten, %d bytes", got, small.Forgotten(), small.bytes)
	}
	if counted := small.snapshot(); small.bytes != 5*counted[0].size() {
		t.Errorf("%d bytes are counted, five records of %d are kept", small.bytes, counted[0].size())
	}
}

func TestWhatRecentCannotKeepIsLost(t *testing.T) {
	r := Recent{Bytes: 4 << 10}
	good := []byte(`{"decision_id":"a","path":"validate"}`)
	lost, err := r.Write([][]byte{good, []byte(`{"torn`), []byte(`{"decision_id":"b","path":"validate","error":"` + strings.Repeat("x", 4<<10) + `"}`), good})
	if lost != 2 || !errors.Is(err, ErrNotKept) || fmt.Sprint(allIDs(&r, Filter{})) != "[a a]" {
		t.Errorf("%d lost, %v, %v are kept", lost, err, allIDs(&r, Filter{}))
	}
}

// A Recorder writes while others look, and none waits for the other.
func TestRecentIsLookedAtWhileItIsWritten(t *testing.T) {
	r := Recent{Records: 10}
	recorder := New(&r, Options{})
	reqs, ids := many(t, 500, `"object":{}`)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = recorder.Start(ctx) })
	running.Go(func() {
		for range 100 {
			for b := range r.All() {
				_, _ = r.Explain(b.ID, func(*Brief) bool { return true })
			}
		}
	})
	for _, req := range reqs {
		recorder.Hear(req, review.Decision{}, nil, noon)
	}
	stop()
	running.Wait()
	if got := allIDs(&r, Filter{}); len(got) != 10 || got[0] != ids[499] || recorder.Dropped() != 0 || r.Forgotten() != 490 {
		t.Errorf("%v are kept, %d dropped, %d forgotten", got, recorder.Dropped(), r.Forgotten())
	}
}
