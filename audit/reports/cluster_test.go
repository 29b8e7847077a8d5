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

const whole = "edit error, p1 fail, p2 skip, p3 warn"

func TestReportsInARealCluster(t *testing.T) {
	t.Parallel()
	modules := openReportsCRDs(t)
	c := cluster.StartT(t, cluster.Options{NoControllerManager: true})
	p := plane{t, c}
	p.kubectl("create", "namespace", "shop")
	p.crds(wgPolicy(), "testdata")
	f := sample()
	counts, stop := p.start(f, "one")
	p.eventually(whole, func() string { return p.lines(wgPolicy()) })
	if said := counts.said(); said != "2 applied, 0 deleted, 0 failed" {
		t.Error(said)
	}
	// A kind that comes later is written, and the other given up.
	p.crds(openReports(), modules)
	p.eventually(whole+"; ", func() string { return p.lines(openReports()) + "; " + p.lines(wgPolicy()) })
	p.looked()
	stop()
	p.restarted(f)
	p.changed(f)
	p.foreign(f)
	p.shared(f)
	// And what is gone again.
	for _, r := range openReports().resources() {
		p.kubectl("delete", "crd", r.Resource+"."+r.Group)
	}
	_, stop = p.start(f, "one")
	p.eventually(p.expected(f), func() string { return p.lines(wgPolicy()) })
	stop()
}

// expected is what all have found.
func (p plane) expected(f *found) string {
	all, _ := f.of("")
	var out []string
	for _, r := range all.Results {
		out = append(out, r.Object.Name+" "+string(r.Outcome))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// looked looks at what kubectl shows.
func (p plane) looked() {
	p.Helper()
	for args, want := range map[string]string{
		"get reports -n shop --no-headers -o=wide":                                                                   "portcullis-one Namespace shop 7 1 1 0 1",
		"get clusterreports --no-headers -o=custom-columns=NAME:.metadata.name,SUMMARY:.summary":                     "portcullis-one map[error:1 fail:0 pass:0 skip:1 warn:0]",
		"get clusterreports portcullis-one -o=jsonpath={.metadata.annotations}":                                      `{"audit.portcullis.dev/reconciliation":"pods: 4 listed = 3 evaluated + 1 skipped (1: namespace is exempt) + 0 errored","audit.portcullis.dev/revision":"r1"}`,
		"get reports -n shop portcullis-one -o=jsonpath={.source} {.results[?(@.result=='skip')].properties.reason}": "portcullis until it is rebuilt",
		"get clusterreports portcullis-one -o=jsonpath={.results[?(@.policy=='users.names')].message}":               "It asks who does something.",
		"get reports -n shop portcullis-one -o=jsonpath={.metadata.labels.app\\.kubernetes\\.io/managed-by}":         "portcullis",
		"get reports -n shop portcullis-one -o=jsonpath={.metadata.ownerReferences[0].kind}":                         "ClusterRole",
		"get reports -n shop portcullis-one -o=jsonpath={.results[?(@.result=='fail')]['category','severity']}":      "pods high",
	} {
		if args = strings.ReplaceAll(args, "} {", "}\x00{"); true {
			fields := strings.Split(args, " ")
			for i := range fields {
				fields[i] = strings.ReplaceAll(fields[i], "\x00", " ")
			}
			got := strings.Join(strings.Fields(p.kubectl(fields...)), " ")
			if !strings.HasPrefix(got, want) {
				p.Errorf("kubectl %s\ngot  %s\nwant %s", args, got, want)
			}
		}
	}
}

// restarted: where nothing has changed nothing is written, and results keep their times.
func (p plane) restarted(f *found) {
	p.Helper()
	before := p.kubectl("get", "reports,clusterreports", "-A", "-o=jsonpath={.items[*].metadata.resourceVersion} {.items[*].results[*].timestamp.seconds}")
	f.set(func(r *audit.Report) {
		for i := range r.Results {
			r.Results[i].Since = time.Now() // a sweep that begins anew finds everything anew
		}
	})
	counts, stop := p.start(f, "one")
	defer stop()
	p.eventually("looked", func() string {
		counts.Lock()
		defer counts.Unlock()
		if counts.objects == 2 {
			return "looked"
		}
		return ""
	})
	<-time.After(time.Second) // several looks, and several times that it is read what is there
	if said := counts.said(); said != "0 applied, 0 deleted, 0 failed" {
		p.Error(said)
	}
	if after := p.kubectl("get", "reports,clusterreports", "-A", "-o=jsonpath={.items[*].metadata.resourceVersion} {.items[*].results[*].timestamp.seconds}"); after != before {
		p.Errorf("before %s\nafter  %s", before, after)
	}
}

// changed: what others do to a report is put right, and what goes is collected.
func (p plane) changed(f *found) {
	p.Helper()
	counts, stop := p.start(f, "one")
	defer stop()
	p.kubectl("patch", "reports", "-n=shop", "portcullis-one", "--type=json", `-p=[{"op": "replace", "path": "/results", "value": []}]`)
	p.eventually(whole, func() string { return p.lines(openReports()) })
	p.kubectl("delete", "reports", "-n=shop", "portcullis-one")
	p.eventually(whole, func() string { return p.lines(openReports()) })
	p.kubectl("label", "reports", "-n=shop", "portcullis-one", "team=shop")
	before := counts.said()
	<-time.After(time.Second)
	if after := counts.said(); after != before {
		p.Errorf("what others add to a report has it written again: %s, %s", before, after)
	}
	old := f.report.Results
	f.set(func(r *audit.Report) { r.Results, r.Namespaces = r.Results[3:], map[string]audit.Counts{} })
	p.eventually("edit error; ", func() string {
		return p.lines(openReports()) + "; " + strings.TrimSpace(p.kubectl("get", "reports", "-A", "-o=name"))
	})
	f.set(func(r *audit.Report) { r.Results, r.Namespaces = old, map[string]audit.Counts{"shop": {Pass: 7}} })
	p.eventually(whole, func() string { return p.lines(openReports()) })
}

// foreign: somebody else's reports are left alone, whatever they are called.
func (p plane) foreign(f *found) {
	p.Helper()
	p.kubectl("create", "namespace", "theirs")
	for _, name := range []string{"portcullis-one", "other"} {
		p.apply(`{"apiVersion": "openreports.io/v1alpha1", "kind": "Report", "metadata": {"name": "` + name + `", "namespace": "theirs"}, "source": "else",
			"summary": {"pass": 1}, "results": []}`)
	}
	theirs := pod(9, audit.Fail)
	theirs.Object.Namespace = "theirs"
	f.set(func(r *audit.Report) { r.Results = append(r.Results, theirs) })
	counts, stop := p.start(f, "one")
	defer stop()
	p.eventually("failed", func() string {
		counts.Lock()
		defer counts.Unlock()
		if counts.writes["failed"] > 0 {
			return "failed"
		}
		return ""
	})
	f.set(func(r *audit.Report) { r.Results = r.Results[:len(r.Results)-1] })
	p.eventually("else else", func() string { return p.kubectl("get", "reports", "-n=theirs", "-o=jsonpath={.items[*].source}") })
	p.kubectl("delete", "namespace", "theirs", "--wait=false")
}

func (p plane) apply(text string) {
	p.Helper()
	if _, said, err := p.Kubectl(p.Context(), "", strings.NewReader(text), "apply", "-f", "-"); err != nil {
		p.Fatal(said)
	}
}

// shared: three replicas have each result once; the leader dies, and the union is what it was.
func (p plane) shared(f *found) {
	p.Helper()
	f.set(func(r *audit.Report) {
		for i := 10; i < 40; i++ {
			r.Results = append(r.Results, pod(i, audit.Fail))
		}
	})
	share := func(live ...string) {
		f.Lock()
		defer f.Unlock()
		f.live, f.shares = live, map[string]func(audit.Object) bool{}
		for i, name := range live {
			f.shares[name] = func(o audit.Object) bool { return int(o.Name[len(o.Name)-1])%len(live) == i }
		}
		f.changes++
	}
	lead := func(shard string) context.CancelFunc {
		collector, err := NewCollector(p.options(f, shard, &counted{writes: map[string]int{}}))
		if err != nil {
			p.Fatal(err)
		}
		return p.run(collector.Run)
	}
	share("one", "two", "three")
	stops := []context.CancelFunc{}
	for _, name := range f.live {
		_, stop := p.start(f, name)
		stops = append(stops, stop)
	}
	stops = append(stops, lead("one"))
	want := p.expected(f)
	p.eventually(want, func() string { return p.lines(openReports()) })
	unaudited := func() string {
		return p.kubectl("get", "clusterreports", "-o=jsonpath={.items[*].results[?(@.policy=='users.names')].policy}")
	}
	if said := unaudited(); said != "users.names" {
		p.Errorf("what is not audited is said by %q", said)
	}
	stops[3]()
	stops[0]()
	share("two", "three")
	defer lead("two")()
	p.eventually(want, func() string { return p.lines(openReports()) })
	p.eventually("portcullis-three portcullis-two", func() string { return p.kubectl("get", "clusterreports", "-o=jsonpath={.items[*].metadata.name}") })
	p.eventually("users.names", unaudited)
	for _, stop := range stops[1:3] {
		stop()
	}
	share("one")
}
