package sweep

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/audit"
)

const (
	// cleanBytes is the most that is kept of an object of which nothing is said: a map has room for 8 in 264 bytes (8 times 32, of the key and the
	// entry, and 8 of its own) and is filled from 7/16 on up to 7/8, so that there are 38 to 76 bytes for each.
	cleanBytes = 76
	// resultBytes is the most that is kept besides of an object with one result, as docs/scale.md adds it up.
	resultBytes = 313
	// refusedOf is of how many synthetic objects something is said of one.
	refusedOf = 500
)

// synthetic is a cluster of so many objects that holds none of them: a page is made when it is asked for. Of four three are Pods, and nothing happens
// to any.
type synthetic struct {
	objects int
	lists   atomic.Int64
}

func (c *synthetic) of(r Resource) int {
	if r == pods {
		return c.objects * 3 / 4
	}
	return c.objects - c.objects*3/4
}

func (c *synthetic) Resources(context.Context) ([]Resource, error) {
	return []Resource{pods, deployments}, nil
}

func (c *synthetic) List(_ context.Context, r Resource, limit int, token string) (Page, error) {
	c.lists.Add(1)
	at, _ := strconv.Atoi(token)
	end := min(at+limit, c.of(r))
	var text strings.Builder
	text.WriteString(`{"metadata":{"resourceVersion":"1"`)
	if end < c.of(r) {
		fmt.Fprintf(&text, `,"continue":"%d"`, end)
	}
	text.WriteString(`},"items":[`)
	for i := at; i < end; i++ {
		if i > at {
			text.WriteByte(',')
		}
		fmt.Fprintf(&text, `{"metadata":{"namespace":"team-%d","name":"app-%d","uid":"7b0e8a4e-0001-4d5e-9c1e-%012d","resourceVersion":"%d"},"spec":{}}`, i%300, i, i, i)
	}
	text.WriteString(`]}`)
	return readPage([]byte(text.String()))
}

func (c *synthetic) Watch(ctx context.Context, _ Resource, _ string, _ func(Event) error) error {
	<-ctx.Done()
	return ctx.Err()
}

// number is the place of an object among all.
func (c *synthetic) number(about audit.Object) int {
	i, _ := strconv.Atoi(strings.TrimPrefix(about.Name, "app-"))
	if about.Resource == deployments.Name {
		i += c.of(pods)
	}
	return i
}

// counted are policies as many as the library has about a Pod, whose judge counts by object how often it was asked.
func (c *synthetic) counted(asked []atomic.Int32) *Policies {
	out := &Policies{Revision: "1"}
	var ids []string
	for i := range 24 {
		ids = append(ids, fmt.Sprint("policy-", i))
		out.List = append(out.List, Policy{Policy: audit.Policy{ID: ids[i]}, Version: "1", Concerns: func(Resource) bool { return true }})
	}
	out.Judge = audit.JudgeFunc(func(_ context.Context, about audit.Object, _ json.RawMessage, _ func(string) bool) (audit.Judgement, error) {
		j, i := audit.Judgement{Asked: ids}, c.number(about)
		asked[i].Add(1)
		if i%refusedOf == 0 {
			j.Results = []audit.Result{{Policy: ids[0], Object: about, Outcome: audit.Fail, Message: "It is refused.", Field: "spec"}}
		}
		return j, nil
	})
	return out
}

// inUse is what is in use after all garbage has been collected.
func inUse() int64 {
	var m runtime.MemStats
	for range 3 { // what is pooled goes after two
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// shard is one of several sweeps of one cluster; stop ends it.
func shard(t *testing.T, own string, c Cluster, members func() ([]string, error), p *Policies) (s *Sweep, stop func()) {
	t.Helper()
	s, err := New(Options{Cluster: c, Own: own, Members: members, times: times{look: 5 * time.Millisecond, discover: time.Hour, gather: time.Hour}})
	if err != nil {
		t.Fatal(err)
	}
	s.Use(p)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return s, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// until waits for a state of sweeps of very many objects.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Minute); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: it did not come to that", what)
		}
	}
}

// The arithmetic of docs/scale.md holds: four shards judge each object once and keep little of it, ask for the lists that it says, and when one dies
// the others judge its objects, and those alone. PORTCULLIS_SCALE_OBJECTS is how many objects there are; "make scale" has a million.
func TestScale(t *testing.T) {
	c := &synthetic{objects: 50_000}
	if text := os.Getenv("PORTCULLIS_SCALE_OBJECTS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 10_000 {
			t.Fatalf("PORTCULLIS_SCALE_OBJECTS is %q and should be a number from 10000 on", text)
		}
		c.objects = n
	}
	asked := make([]atomic.Int32, c.objects)
	names := []string{"portcullis-0", "portcullis-1", "portcullis-2", "portcullis-3"}
	var live atomic.Pointer[[]string]
	live.Store(&names)
	members := func() ([]string, error) { return *live.Load(), nil }
	policies := c.counted(asked)
	before := inUse()
	var shards []*Sweep
	var stops []func()
	for _, own := range names {
		s, stop := shard(t, own, c, members, policies)
		shards, stops = append(shards, s), append(stops, stop)
	}
	t.Cleanup(func() {
		for _, stop := range stops[:3] {
			stop()
		}
	})
	until(t, "everything is judged", func() bool {
		for _, s := range shards {
			if !s.Through() {
				return false
			}
		}
		return true
	})
	lists := (c.of(pods)+pageLimit-1)/pageLimit + (c.of(deployments)+pageLimit-1)/pageLimit
	if got := int(c.lists.Load()); got != 4*lists {
		t.Errorf("%d lists were asked for; four times %d are the arithmetic", got, lists)
	}
	refused := c.objects * 3 / 4 / refusedOf * 2 // more than there are
	took := inUse() - before
	t.Logf("%d bytes are kept of each of %d objects", took/int64(c.objects), c.objects)
	if most := int64(c.objects*cleanBytes + refused*resultBytes + 4<<20); took > most {
		t.Errorf("%d bytes are kept, %d of each; %d are the bound", took, took/int64(c.objects), most)
	}
	of := make([]int, c.objects)
	for i := range asked {
		if n := asked[i].Swap(0); n != 1 {
			t.Fatalf("object %d was judged %d times", i, n)
		}
		of[i] = c.owner(i, names)
	}
	for shard, s := range shards {
		if has, share := listed(s), c.objects/4; has < share*97/100 || has > share*103/100 {
			t.Errorf("shard %d has %d objects; %d, give or take 3%%, are its share", shard, has, share)
		}
	}

	c.lists.Store(0)
	stops[3]()
	left := names[:3]
	live.Store(&left)
	until(t, "what was of the dead is judged", func() bool { return listed(shards[0])+listed(shards[1])+listed(shards[2]) == c.objects })
	until(t, "the lists are through", func() bool { return int(c.lists.Load()) >= 3*lists })
	for i := range asked {
		want := int32(0)
		if of[i] == 3 {
			want = 1
		}
		if n := asked[i].Load(); n != want {
			t.Fatalf("object %d of shard %d was judged %d times after the death of shard 3", i, of[i], n)
		}
	}
	if got := int(c.lists.Load()); got != 3*lists {
		t.Errorf("%d lists were asked for after a death; three times %d are the arithmetic", got, lists)
	}
}

// owner is the shard that judges an object.
func (c *synthetic) owner(i int, names []string) int {
	r, name := pods, i
	if name >= c.of(pods) {
		r, name = deployments, i-c.of(pods)
	}
	id := keyOf(r.String(), fmt.Sprint("team-", name%300), fmt.Sprint("app-", name))
	for shard, own := range names {
		if newShare(own, names).mine(id) {
			return shard
		}
	}
	return -1
}

// listed is how many objects a shard judges.
func listed(s *Sweep) (n int) {
	for _, c := range s.Counts().Coverage {
		n += c.Listed
	}
	return n
}

// While a page is judged the next one is fetched, and no more than that.
func TestOnePageAhead(t *testing.T) {
	c, judging, end := &synthetic{objects: 100}, make(chan bool), make(chan bool)
	p := &Policies{Revision: "1", List: []Policy{{Policy: audit.Policy{ID: "a"}, Version: "1", Concerns: func(r Resource) bool { return r == pods }}}}
	p.Judge = audit.JudgeFunc(func(context.Context, audit.Object, json.RawMessage, func(string) bool) (audit.Judgement, error) {
		judging <- true
		<-end
		return audit.Judgement{Asked: []string{"a"}}, nil
	})
	s := runningIn(t, 1, Options{Cluster: c}, p)
	<-judging
	until(t, "the next page is fetched", func() bool { return c.lists.Load() >= 2 })
	time.Sleep(20 * time.Millisecond)
	if n := c.lists.Load(); n != 2 {
		t.Errorf("%d pages were fetched while the first was judged", n)
	}
	go func() {
		for range judging { //nolint:revive // until the test ends nobody waits
		}
	}()
	close(end)
	until(t, "all is judged", s.Through)
	close(judging)
}
