package reports

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portcullis-dev/portcullis/audit"
	"github.com/portcullis-dev/portcullis/review"
	"github.com/portcullis-dev/portcullis/test/cluster"
)

// openReportsModule is what has the CRDs of openreports.io, and what it must be.
const (
	openReportsModule = "github.com/openreports/reports-api@v0.2.1"
	openReportsSum    = "h1:g9KS3yle9Y1elmww4TK9EkD1rl6inIaiIJPX6e+u680="
)

// openReportsCRDs are the files of the module.
func openReportsCRDs(t *testing.T) string {
	t.Helper()
	text, err := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", openReportsModule).Output()
	var module struct{ Dir, Sum, Error string }
	if err != nil || json.Unmarshal(text, &module) != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("the module with the CRDs of openreports.io cannot be had: %s", text)
		}
		t.Skipf("the module with the CRDs of openreports.io cannot be had: %s", text)
	}
	if module.Sum != openReportsSum {
		t.Fatalf("%s is %s", openReportsModule, module.Sum)
	}
	return filepath.Join(module.Dir, "config/crd")
}

// plane is a cluster to which kubectl speaks.
type plane struct {
	*testing.T
	*cluster.Cluster
}

func (p plane) kubectl(args ...string) string {
	p.Helper()
	out, said, err := p.Kubectl(p.Context(), "", nil, args...)
	if err != nil {
		p.Fatalf("kubectl %v: %s", args, said)
	}
	return out
}

// crds makes the kinds of one api.
func (p plane) crds(of api, dir string) {
	p.Helper()
	for _, r := range of.resources() {
		p.kubectl("apply", "--server-side", "-f", filepath.Join(dir, of.Group+"_"+r.Resource+".yaml"))
		p.kubectl("wait", "--for=condition=Established", "crd/"+r.Resource+"."+of.Group)
	}
}

// found is what replicas have found.
type found struct {
	sync.Mutex
	report  audit.Report
	changes uint64
	shares  map[string]func(audit.Object) bool // who judges what
	live    []string
}

func (f *found) set(change func(*audit.Report)) {
	f.Lock()
	defer f.Unlock()
	f.report.Results = slices.Clone(f.report.Results)
	f.report.Namespaces = maps.Clone(f.report.Namespaces)
	change(&f.report)
	f.changes++
}

func (f *found) members() ([]string, error) {
	f.Lock()
	defer f.Unlock()
	return slices.Clone(f.live), nil
}

func (f *found) of(shard string) (audit.Report, bool) {
	f.Lock()
	defer f.Unlock()
	out := f.report
	out.At = time.Now()
	out.Results = nil
	for _, r := range f.report.Results {
		if mine := f.shares[shard]; mine == nil || mine(r.Object) {
			out.Results = append(out.Results, r)
		}
	}
	return out, true
}

func (f *found) revision() uint64 {
	f.Lock()
	defer f.Unlock()
	return f.changes
}

// counted counts writes.
type counted struct {
	sync.Mutex
	writes                  map[string]int
	objects, bytes, omitted int
}

func (c *counted) Held(objects, bytes, omitted int) {
	c.Lock()
	defer c.Unlock()
	c.objects, c.bytes, c.omitted = objects, bytes, omitted
}

func (c *counted) Wrote(what string) {
	c.Lock()
	defer c.Unlock()
	c.writes[what]++
}

func (c *counted) said() string {
	c.Lock()
	defer c.Unlock()
	return fmt.Sprintf("%d applied, %d deleted, %d failed", c.writes["applied"], c.writes["deleted"], c.writes["failed"])
}

func quick() times {
	return times{look: 20 * time.Millisecond, counts: 100 * time.Millisecond, discover: 100 * time.Millisecond, resync: 300 * time.Millisecond, retry: 100 * time.Millisecond, grace: 300 * time.Millisecond}
}

func (p plane) options(f *found, shard string, c *counted) Options {
	p.Helper()
	config, err := p.RESTConfig()
	if err != nil {
		p.Fatal(err)
	}
	return Options{
		Config: config, Release: Release{"guard", "default"}, Shard: shard, Changes: f.revision, Members: f.members, Observer: c, times: quick(),
		Found: func() (audit.Report, bool) { return f.of(shard) },
		Owner: func(context.Context) (*metav1.OwnerReference, error) {
			return &metav1.OwnerReference{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "ClusterRole", Name: "view", UID: "1"}, nil
		},
	}
}

// start runs a writer, and returns its counter and what ends it.
func (p plane) start(f *found, shard string) (*counted, context.CancelFunc) {
	p.Helper()
	c := &counted{writes: map[string]int{}}
	w, err := NewWriter(p.options(f, shard, c))
	if err != nil {
		p.Fatal(err)
	}
	w.strict = true
	return c, p.run(w.Run)
}

func (p plane) run(run func(context.Context) error) context.CancelFunc {
	ctx, cancel := context.WithCancel(p.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := run(ctx); err != nil {
			p.Error(err)
		}
	}()
	stop := func() {
		cancel()
		<-done
	}
	p.Cleanup(stop)
	return stop
}

func (p plane) eventually(want string, got func() string) {
	p.Helper()
	deadline := time.Now().Add(30 * time.Second)
	last := ""
	for time.Now().Before(deadline) {
		if last = got(); last == want {
			return
		}
		<-time.After(20 * time.Millisecond)
	}
	p.Fatalf("got  %s\nwant %s", last, want)
}

// lines are the results of all reports of one api: once each, or as often as they are there.
func (p plane) lines(of api) string {
	var out []string
	for _, r := range of.resources() {
		text, _, err := p.Kubectl(p.Context(), "", nil, "get", r.Resource+"."+r.Group, "-A", "-o=json")
		if err != nil {
			return "none served"
		}
		var list struct{ Items []Object }
		if err := json.Unmarshal([]byte(text), &list); err != nil {
			p.Fatal(err)
		}
		for _, o := range list.Items {
			for _, r := range o.Results {
				if len(r.Resources) > 0 {
					out = append(out, r.Resources[0].Name+" "+string(r.Outcome))
				}
			}
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func pod(i int, outcome audit.Outcome) audit.Result {
	return audit.Result{
		Policy: "pods.privileged", Outcome: outcome, Message: "The container is privileged; leave that out.", Field: "spec.containers[0]",
		Object: audit.Object{Version: "v1", Kind: "Pod", Resource: "pods", Namespace: "shop", Name: fmt.Sprintf("p%d", i), UID: "u"},
		Since:  time.Now().Add(-time.Hour),
	}
}

func sample() *found {
	f := &found{live: []string{"one"}, report: audit.Report{
		Revision: "r1", Policies: []audit.Policy{
			{ID: "pods.privileged", Severity: "high", Controls: []string{"pss/baseline", "cis-1.9/5.2.2"}},
			{ID: "users.names", Unaudited: "It asks who does something."},
		},
		Coverage:   []audit.Coverage{{Resource: "pods", Listed: 4, Evaluated: 3, Skipped: map[string]int{"namespace is exempt": 1}}},
		Namespaces: map[string]audit.Counts{"shop": {Pass: 7}},
	}}
	lifted := pod(2, audit.Skip)
	lifted.Exception = &review.Exception{Name: "shop/p2", Reason: "until it is rebuilt", Expires: time.Unix(1_900_000_000, 0)}
	f.report.Results = []audit.Result{pod(1, audit.Fail), lifted, pod(3, audit.Warn)}
	role := pod(4, audit.Fault)
	role.Object = audit.Object{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRole", Name: "edit"}
	f.report.Results = append(f.report.Results, role)
	return f
}
