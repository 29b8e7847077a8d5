package sweep

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portcullis-dev/portcullis/audit"
)

var (
	pods        = Resource{Version: "v1", Name: "pods", Kind: "Pod", Namespaced: true}
	deployments = Resource{Group: "apps", Version: "v1", Name: "deployments", Kind: "Deployment", Namespaced: true}
)

// fake is a cluster in memory. A page's token is the place at which it begins.
type fake struct {
	mu        sync.Mutex
	resources []Resource
	wrong     error // of Resources
	version   int
	objects   map[Resource]map[string]string // JSON by namespace/name
	events    map[Resource][]told
	changed   chan struct{}
	refuse    func(r Resource, limit int, token string) error // nil is none
	refuseW   func(r Resource, from string) error
	pages     int
	largest   int
}

type told struct {
	version int
	Event
}

func newFake(resources ...Resource) *fake {
	return &fake{resources: resources, objects: map[Resource]map[string]string{}, events: map[Resource][]told{}, changed: make(chan struct{}), version: 1}
}

// put creates or changes an object; what it says is in spec.
func (f *fake) put(r Resource, namespace, name, says string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.version++
	text := fmt.Sprintf(`{"metadata":{"namespace":%q,"name":%q,"uid":"u-%s","resourceVersion":"%d"},"spec":{"says":%q}}`, namespace, name, name, f.version, says)
	kind := "ADDED"
	if f.objects[r] == nil {
		f.objects[r] = map[string]string{}
	} else if _, ok := f.objects[r][namespace+"/"+name]; ok {
		kind = "MODIFIED"
	}
	f.objects[r][namespace+"/"+name] = text
	f.tell(r, kind, text)
}

func (f *fake) remove(r Resource, namespace, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.version++
	text := f.objects[r][namespace+"/"+name]
	delete(f.objects[r], namespace+"/"+name)
	f.tell(r, "DELETED", text)
}

func (f *fake) tell(r Resource, kind, text string) {
	f.events[r] = append(f.events[r], told{f.version, Event{kind, []byte(text)}})
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fake) Resources(context.Context) ([]Resource, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.resources), f.wrong
}

func (f *fake) List(_ context.Context, r Resource, limit int, token string) (Page, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pages++
	if f.refuse != nil {
		if err := f.refuse(r, limit, token); err != nil {
			return Page{}, err
		}
	}
	at, _ := strconv.Atoi(token)
	names := slices.Sorted(maps.Keys(f.objects[r]))
	end := min(at+limit, len(names))
	var items []string
	for _, name := range names[min(at, end):end] {
		items = append(items, f.objects[r][name])
	}
	f.largest = max(f.largest, len(items))
	token = ""
	if end < len(names) {
		token = strconv.Itoa(end)
	}
	return readPage([]byte(fmt.Sprintf(`{"kind":"List","metadata":{"resourceVersion":"%d","continue":%q},"items":[%s]}`, f.version, token, strings.Join(items, ","))))
}

func (f *fake) Watch(ctx context.Context, r Resource, from string, each func(Event) error) error {
	f.mu.Lock()
	if f.refuseW != nil {
		if err := f.refuseW(r, from); err != nil {
			f.mu.Unlock()
			return err
		}
	}
	f.mu.Unlock()
	last, _ := strconv.Atoi(from)
	for {
		f.mu.Lock()
		changed := f.changed
		var news []told
		for _, e := range f.events[r] {
			if e.version > last {
				news = append(news, e)
				last = e.version
			}
		}
		f.mu.Unlock()
		for _, e := range news {
			if err := each(e.Event); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

func expired(token string) error {
	err := apierrors.NewResourceExpired("the token is too old")
	err.ErrStatus.ListMeta = metav1.ListMeta{Continue: token}
	return err
}

// judge is one for tests: each policy refuses the objects that say its name.
type judge struct {
	mu    sync.Mutex
	asked map[string]int // "policy object"
	also  func(about audit.Object) (audit.Judgement, error, bool)
}

func (j *judge) policies(revision string, versions map[string]string) *Policies {
	p := &Policies{Revision: revision, Judge: audit.JudgeFunc(func(_ context.Context, about audit.Object, object json.RawMessage, only func(string) bool) (out audit.Judgement, err error) {
		j.mu.Lock()
		defer j.mu.Unlock()
		if j.also != nil {
			if out, err, ok := j.also(about); ok {
				return out, err
			}
		}
		var read struct {
			APIVersion, Kind string
			Spec             struct{ Says string }
		}
		if err := json.Unmarshal(object, &read); err != nil || read.Kind != about.Kind || read.APIVersion != about.APIVersion() {
			return out, fmt.Errorf("%s: %w", object, err)
		}
		for _, id := range slices.Sorted(maps.Keys(versions)) {
			if only != nil && !only(id) {
				continue
			}
			j.asked[id+" "+about.Name]++
			out.Asked = append(out.Asked, id)
			if strings.Contains(read.Spec.Says, id) {
				out.Results = append(out.Results, audit.Result{Policy: id, Object: about, Outcome: audit.Fail, Message: versions[id] + " says no."})
			}
		}
		return out, nil
	})}
	for _, id := range slices.Sorted(maps.Keys(versions)) {
		p.List = append(p.List, Policy{Policy: audit.Policy{ID: id}, Version: versions[id], Concerns: func(Resource) bool { return true }})
	}
	return p
}

func newJudge() *judge { return &judge{asked: map[string]int{}} }

// times returns how often a policy was asked about an object, and begins to count anew.
func (j *judge) take() map[string]int {
	j.mu.Lock()
	defer j.mu.Unlock()
	out := j.asked
	j.asked = map[string]int{}
	return out
}

// sofar is how often policies were asked about objects.
func (j *judge) sofar() map[string]int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return maps.Clone(j.asked)
}

// running runs a sweep for the time of the test.
func running(t testing.TB, o Options, p *Policies) *Sweep {
	t.Helper()
	return runningIn(t, pageLimit, o, p)
}

// runningIn does so with pages of so many objects.
func runningIn(t testing.TB, limit int, o Options, p *Policies) *Sweep {
	t.Helper()
	o.limit = limit
	o.times = times{look: 5 * time.Millisecond, discover: 10 * time.Millisecond, gather: 20 * time.Millisecond}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Use(p)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s
}

// said is a report in a line, without what is good.
func said(s *Sweep) string {
	r := s.Report()
	var out []string
	for _, one := range r.Results {
		out = append(out, fmt.Sprintf("%s %s: %s", one.Object, one.Policy, one.Message))
	}
	for _, c := range r.Coverage {
		line := fmt.Sprintf("%s %d", c.Resource, c.Listed)
		if !c.Reconciled() {
			line += " not reconciled: " + c.Trouble
		}
		if c.Errored > 0 {
			line += fmt.Sprintf(" errored %d", c.Errored)
		}
		for reason, n := range c.Skipped {
			line += fmt.Sprintf(" (%d %s)", n, reason)
		}
		out = append(out, line)
	}
	for _, id := range slices.Sorted(maps.Keys(r.Counts)) {
		c := r.Counts[id]
		if c != (audit.Counts{}) {
			out = append(out, fmt.Sprintf("%s %d/%d/%d", id, c.Pass, c.Fail, c.Fault))
		}
	}
	var inAll audit.Counts
	for _, c := range r.Namespaces {
		inAll = inAll.Plus(c)
	}
	if inAll != r.Total() {
		out = append(out, fmt.Sprintf("by namespace %v, by policy %v", inAll, r.Total()))
	}
	return strings.Join(out, "; ")
}

func eventually(t testing.TB, want string, got func() string) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	last := ""
	for time.Now().Before(deadline) {
		if last = got(); last == want {
			return
		}
		<-time.After(2 * time.Millisecond)
	}
	t.Fatalf("\ngot  %s\nwant %s", last, want)
}
