package sweep

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/audit"
)

// perObject is what may be kept of an object of which nothing is said, in bytes, its place in the tables included.
const perObject = 200

// filled is a shelf of n objects, each asked about by twenty policies, of which every so many is refused by one.
func filled(n, refused int) *shelf {
	s := newShelf(&room{left: audit.MaxResults})
	known := &names{}
	var asked []string
	for i := range 20 {
		asked = append(asked, fmt.Sprint("policy.", i))
		known.of(asked[i])
	}
	numbers := func(id string) (number, bool) { return known.of(id), true }
	now := time.Unix(0, 0)
	for i := range n {
		name := fmt.Sprintf("some-workload-%x-%d", i*7919, i)
		about := audit.Object{Version: "v1", Kind: "Pod", Resource: "pods", Namespace: "some-namespace", Name: name, UID: "00000000-0000-0000-0000-000000000000"}
		out := judged{about: about, version: uint32(i), Judgement: audit.Judgement{Asked: asked}}
		if refused > 0 && i%refused == 0 {
			out.Results = []audit.Result{{Policy: "policy.3", Outcome: audit.Fail, Message: "container \"app\" is privileged", Field: "spec.containers[0]"}}
		}
		s.put(keyOf("pods", about.Namespace, name), 1, out, numbers, now)
	}
	return s
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestWhatIsKeptOfAnObjectIsSmall(t *testing.T) {
	const n = 100_000
	before := heap()
	s := filled(n, 0)
	each := float64(heap()-before) / n
	t.Logf("%.0f bytes for each object of which nothing is said", each)
	if each > perObject {
		t.Errorf("%.0f bytes are kept of an object of which nothing is said; at most %d may be", each, perObject)
	}
	if s.count(evaluated) != n || len(s.profiles.list) != 1 {
		t.Errorf("%d objects, %d profiles", s.count(evaluated), len(s.profiles.list))
	}
	runtime.KeepAlive(s)
}

// A table holds what is said of objects as if it were kept for each by itself, whatever happens to it.
func TestProfilesAreCountedAndGivenBack(t *testing.T) {
	s := filled(1000, 10)
	if len(s.details) != 100 || len(s.profiles.list) != 2 {
		t.Fatalf("%d details, %d profiles", len(s.details), len(s.profiles.list))
	}
	s.without(func(n number) bool { return n == 1000 })
	if len(s.details) != 100 {
		t.Error("what others said goes with a policy that said nothing")
	}
	place := s.profiles.list[s.objects[keyOf("pods", "some-namespace", "some-workload-0-0")].profile].namespace
	s.without(func(n number) bool { return n == 3 })
	left := s.profiles.list[s.objects[keyOf("pods", "some-namespace", "some-workload-0-0")].profile]
	if len(s.details) != 0 || left.objects != 1000 {
		t.Error("what a policy said that is gone is kept")
	}
	if place == "" || left.namespace != place {
		t.Errorf("objects of namespace %q are counted in %q when a policy is gone", place, left.namespace)
	}
	s.clear()
	if len(s.profiles.known) != 0 || len(s.profiles.free) != len(s.profiles.list) || s.count(evaluated) != 0 || s.room.left != audit.MaxResults {
		t.Errorf("%d profiles, %d of %d free, %d objects, room for %d", len(s.profiles.known), len(s.profiles.free), len(s.profiles.list), s.count(evaluated), s.room.left)
	}
}

func TestItems(t *testing.T) {
	for raw, want := range map[string]string{
		`{"metadata":{"name":"a"}}`: `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"a"}}`,
		`{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"a"}}`: `{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"a"}}`,
		`{"kind":"Deployment","metadata":{"name":"a"}}`:                        `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"a"}}`,
		`{"metadata":{"name":1}}`:                                              "an object has no name",
		`{"metadata":[]}`:                                                      "!",
		`{}`:                                                                   "an object has no name",
		`[]`:                                                                   "!",
		``:                                                                     "!",
		`{"metadata":{"name":"a"}`:                                             "!",
		strings.Repeat(`{"a":`, 100_000):                                       "!",
	} {
		one, err := readItem([]byte(raw))
		got := ""
		switch {
		case err == nil:
			got = string(one.whole(deployments))
		case want == "!":
			got = "!"
		default:
			got = err.Error()
		}
		if got != want {
			t.Errorf("%.60s\ngot  %s\nwant %s", raw, got, want)
		}
	}
	a, _ := readItem([]byte(`{"metadata":{"name":"a","uid":"1","resourceVersion":"12"}}`))
	b, _ := readItem([]byte(`{"metadata":{"name":"a","uid":"11","resourceVersion":"2"}}`))
	if a.stamp() == b.stamp() {
		t.Error("states are not told apart")
	}
	for _, bad := range []string{``, `{}`, `{"metadata":{}}`, `{"items":[`, `[]`, `{"metadata":{"resourceVersion":1}}`} {
		if _, err := readPage([]byte(bad)); err == nil {
			t.Errorf("%s is a page", bad)
		}
	}
}

func BenchmarkReport(b *testing.B) {
	s := &Sweep{kinds: map[Resource]*kind{}, names: names{}, room: &room{}}
	s.force.Store(&force{Policies: &Policies{}})
	k := &kind{Sweep: s, resource: pods, shelf: filled(200_000, 2)}
	for i := range 20 {
		s.names.of(fmt.Sprint("policy.", i))
	}
	s.kinds[pods] = k
	b.ReportAllocs()
	for b.Loop() {
		s.Report()
	}
}
