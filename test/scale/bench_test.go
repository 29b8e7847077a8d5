package scale

import (
	"context"
	"errors"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// A minute of 500 changes a second, as W10 has it.
	changesASecond = 500
	changing       = time.Minute
	// marking is how often a change is one whose way into the results is timed.
	marking = 250 * time.Millisecond
	// mostBehind is how far the results may be behind what changes.
	mostBehind = 2 * time.Second
)

// BenchmarkW10 audits a cluster of 150,000 Pods of 3,000 templates and 50,000 other objects, and then follows 500 changes a second for a minute.
// PORTCULLIS_W10_SHARE, a number below 1, makes it so much smaller. It reports of the sweep: seconds, those of the server's processors, objects
// a second, these as a share of what a client does that only fetches the same pages, and the lists; of the changes: how many there were in a second,
// how far the results were behind at the median, for 99% and at most, and how many processors the server, the control plane and who writes the changes
// had. The peak memory is of both. It fails if that is above its bound, the results are further behind than theirs, or in the end
// they are not those that there should be.
func BenchmarkW10(b *testing.B) {
	share := 1.0
	if text := os.Getenv("PORTCULLIS_W10_SHARE"); text != "" {
		var err error
		if share, err = strconv.ParseFloat(text, 64); err != nil || share <= 0 || share > 1 {
			b.Fatalf("PORTCULLIS_W10_SHARE is %q and should be a number above 0 and at most 1", text)
		}
	}
	part := func(n int) int { return max(1, int(share*float64(n))) }
	missing(b, share)
	begun := time.Now()
	w := filled(b, size{pods: part(150_000), templates: part(3_000), others: part(50_000), namespaces: part(300)})
	b.Logf("%d Pods and %d other objects are there after %s", w.pods, w.others, time.Since(begun).Round(time.Second))
	for b.Loop() {
		s := w.sweep(b)
		w.change(b, s)
		peak := s.peak()
		b.ReportMetric(float64(peak>>20), "MiB")
		if peak > mostMemory || peak == 0 {
			b.Errorf("the server took %d MiB; at most %d are its bound", peak>>20, mostMemory>>20)
		}
	}
}

// sweep reports what it costs to judge everything once.
func (w *world) sweep(b *testing.B) *server {
	b.Helper()
	begun := time.Now()
	fetched, err := w.fetched(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	fetching := float64(fetched) / time.Since(begun).Seconds()
	lists, spent := w.lists(b), w.spent(b)
	s := w.audits(b)
	text := s.through(b, time.Hour)
	seconds := time.Since(s.begun).Seconds()
	objects, _ := text.sum("portcullis_audit_objects")
	if bad := w.bad(); text.results("bad", "fail") != bad {
		b.Fatalf("%d Pods are bad, and should be %d", text.results("bad", "fail"), bad)
	}
	b.ReportMetric(seconds, "sweep-s")
	b.ReportMetric(s.cpu(b.Context()).Seconds(), "sweep-cpu-s")
	b.ReportMetric((w.spent(b) - spent).Seconds(), "sweep-plane-cpu-s")
	b.ReportMetric(objects/seconds, "objects/s")
	b.ReportMetric(100*objects/seconds/fetching, "%-of-fetching")
	b.ReportMetric(float64(w.lists(b)-lists), "lists")
	b.Logf("%.0f objects are judged after %.0f s; a client that only fetches them has %.0f in a second", objects, seconds, fetching)
	return s
}

// fetched lists all that w has been filled with, as a client does that does nothing with it.
func (w *world) fetched(ctx context.Context) (objects int, err error) {
	for _, path := range []string{
		"/api/v1/pods", "/api/v1/services", "/api/v1/serviceaccounts", "/apis/apps/v1/deployments", "/apis/networking.k8s.io/v1/networkpolicies",
		"/apis/rbac.authorization.k8s.io/v1/roles",
	} {
		n, err := w.listed(ctx, path)
		if objects += n; err != nil {
			return objects, err
		}
	}
	return objects, nil
}

// change reports how far the results are behind while Pods change.
func (w *world) change(b *testing.B, s *server) {
	b.Helper()
	ctx, stop := context.WithTimeout(b.Context(), changing)
	defer stop()
	before, spent, own, begun := s.cpu(b.Context()), w.spent(b), spentHere(b), time.Now()
	marked := make(chan time.Time, int(changing/marking)+1)
	group, _ := errgroup.WithContext(b.Context())
	changes := 0
	var from, to int
	group.Go(func() (err error) {
		changes, from, to, err = w.changes(ctx)
		return err
	})
	group.Go(func() error {
		defer close(marked)
		return w.mark(ctx, marked)
	})
	behind := s.behind(b, marked)
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
	seconds := time.Since(begun).Seconds()
	s.settles(b, w.bad()+w.badFrom(from, to))
	b.ReportMetric(float64(changes)/changing.Seconds(), "changes/s")
	b.ReportMetric((s.cpu(b.Context())-before).Seconds()/seconds, "changing-processors")
	b.ReportMetric((w.spent(b)-spent).Seconds()/seconds, "changing-plane-processors")
	b.ReportMetric((spentHere(b)-own).Seconds()/seconds, "changing-writer-processors")
	b.ReportMetric(percentile(behind, 0.5), "behind-p50-s")
	b.ReportMetric(percentile(behind, 0.99), "behind-p99-s")
	most := percentile(behind, 1)
	b.ReportMetric(most, "behind-max-s")
	if most > mostBehind.Seconds() || len(behind) == 0 {
		b.Errorf("of %d that were marked one was among the results %.1f s later; %s is the bound", len(behind), most, mostBehind)
	}
}

// mark marks Pods from the first on until ctx ends, and tells when each was marked.
func (w *world) mark(ctx context.Context, marked chan<- time.Time) error {
	tick := time.NewTicker(marking)
	defer tick.Stop()
	for i := 0; i < w.pods/2; i++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		err := w.label(ctx, i, "marked", "yes")
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			return nil
		case err != nil:
			return err
		}
		marked <- time.Now()
	}
	return nil
}

// behind tells, for each that is marked, how long after that it was among the results; it is looked for ten times a second.
func (s *server) behind(b *testing.B, marked <-chan time.Time) (out []time.Duration) {
	b.Helper()
	var waiting []time.Time
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for marked != nil || len(waiting) > 0 {
		select {
		case at, more := <-marked:
			if !more {
				marked = nil
				continue
			}
			waiting = append(waiting, at)
		case now := <-tick.C:
			for found := s.metrics(b.Context()).results("marked", "fail"); len(out) < found && len(waiting) > 0; waiting = waiting[1:] {
				out = append(out, time.Since(waiting[0]))
			}
			if len(waiting) > 0 && now.Sub(waiting[0]) > time.Minute {
				b.Fatalf("what was marked a minute ago is not among the %d results", len(out))
			}
		}
	}
	return out
}
