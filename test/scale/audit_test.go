package scale

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"
)

// mostMemory is what an audit may take, whatever the size of the cluster.
const mostMemory = 512 << 20

// The audit finds all there is to find and no more, asks the API server for each page once, keeps to its memory, and follows what changes.
func TestAudit(t *testing.T) {
	t.Parallel()
	w := filled(t, size{pods: 1200, templates: 60, others: 300, namespaces: 7})
	lists := w.lists(t)
	s := w.audits(t)
	text := s.through(t, 2*time.Minute)
	bad := w.bad()
	if got, want := [2]int{text.results("bad", "fail"), text.results("bad", "pass")}, [2]int{bad, w.pods - bad}; got != want {
		t.Errorf("%v of the Pods are bad and not, and should be %v", got, want)
	}
	objects, _ := text.sum("portcullis_audit_objects")
	if least := w.pods + w.others + w.namespaces; int(objects) < least || int(objects) > least+500 {
		t.Errorf("%v objects are judged; %d and those of the control plane are there", objects, least)
	}
	for _, none := range []string{"portcullis_audit_errored", "portcullis_audit_unreconciled"} {
		if n, known := text.sum(none); n != 0 || !known {
			t.Errorf("%s is %v", none, n)
		}
	}
	// Some fifty kinds of a page, and the inventory's, and two more of Pods.
	if n := w.lists(t) - lists; n < 10 || n > 120 {
		t.Errorf("%v lists were asked for", n)
	}
	if peak := s.peak(); peak > mostMemory {
		t.Errorf("the server took %d MiB", peak>>20)
	}

	const marked = 100
	if err := inParallel(t.Context(), marked, func(ctx context.Context, i int) error { return w.label(ctx, i, "marked", "yes") }); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		text = s.metrics(t.Context())
		if got := text.results("marked", "fail"); got == marked {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("%d Pods are marked, of %d", got, marked)
		}
	}
	if got := text.results("bad", "fail"); got != bad {
		t.Errorf("%d Pods are bad, of %d", got, bad)
	}
}

// lists is how many lists the API server has answered.
func (w *world) lists(t testing.TB) int {
	t.Helper()
	text, err := w.read(t.Context(), "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	n, _ := page(text).sum("apiserver_request_total", `verb="LIST"`)
	return int(n)
}

// listed fetches a resource as a client does that does nothing with it: in pages of 500, one after the other.
func (w *world) listed(ctx context.Context, path string) (objects int, err error) {
	for token := ""; ; {
		text, err := w.read(ctx, path+"?limit=500&continue="+token)
		if err != nil {
			return objects, err
		}
		var list struct {
			Metadata struct{ Continue string } `json:"metadata"`
			Items    []json.RawMessage         `json:"items"`
		}
		if err := json.Unmarshal(text, &list); err != nil {
			return objects, fmt.Errorf("%s: %w", path, err)
		}
		objects += len(list.Items)
		if token = list.Metadata.Continue; token == "" {
			return objects, nil
		}
	}
}

// percentile of durations that are in order.
func percentile(all []time.Duration, share float64) float64 {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[min(int(share*float64(len(all))), len(all)-1)].Seconds()
}
