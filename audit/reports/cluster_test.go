package reports

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/audit"
	"github.com/portcullis-dev/portcullis/test/cluster"
)

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
	p.graced(f)
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
