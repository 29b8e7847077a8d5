package status

import (
	"context"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
	"github.com/portcullis-dev/portcullis/review"
)

// counted has the counts of a policy that is asked at admission begin at 0.
func (p page) counted(out *v1alpha1.PolicyStatus, spec policies.Spec) {
	atAdmission := slices.ContainsFunc(spec.Rules, func(r policies.Rule) bool { return r.Stage == review.Mutate || r.Stage == review.Validate })
	if !p.counting || !atAdmission || spec.Enforcement == policies.EnforceOff || out.CountedSince != nil {
		return
	}
	out.Findings, out.Faults, out.CountedSince = new(int64(0)), new(int64(0)), new(metav1.NewTime(time.Now().Truncate(time.Second)))
}

// beginCounting takes what was reported before this server led for counted, once.
func (w *Writer) beginCounting(ctx context.Context) error {
	if w.Reports == nil || w.tally.leads() {
		return nil
	}
	reports, err := w.Reports(ctx)
	if err != nil {
		return err
	}
	w.tally.begin(reports)
	return nil
}

// inOrder returns the objects of a shelf, first those whose counts wait, which waits longest first: there is not always room for all.
func (w *Writer) inOrder(s *shelf) []*unstructured.Unstructured {
	var out []*unstructured.Unstructured
	there := map[types.UID]bool{}
	for _, object := range s.store.List() {
		if u, ok := object.(*unstructured.Unstructured); ok {
			out = append(out, u)
			there[u.GetUID()] = true
		}
	}
	if s.resource != resource("policies") {
		return out
	}
	w.tally.tidy(func(uid types.UID) bool { return there[uid] })
	waiting := w.tally.waiting()
	slices.SortStableFunc(out, func(a, b *unstructured.Unstructured) int {
		return compareWaiting(waiting[a.GetUID()], waiting[b.GetUID()])
	})
	return out
}

// compareWaiting orders times since when something waits; the zero time is nothing, and comes last.
func compareWaiting(a, b time.Time) int {
	switch {
	case a.IsZero() && b.IsZero():
		return 0
	case a.IsZero():
		return 1
	case b.IsZero():
		return -1
	}
	return a.Compare(b)
}
