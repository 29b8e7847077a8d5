package replicas

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

// reporter says what it is given to say, and notes what it hears.
type reporter struct {
	mu          sync.Mutex
	text        string
	anew, taken []string // what was said in a new Lease, and what a Lease took
	heard       []string
}

func (r *reporter) report(anew bool) (string, func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := r.text
	if anew {
		r.anew = append(r.anew, text)
	}
	return text, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.taken = append(r.taken, text)
	}
}

func (r *reporter) hear(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heard = append(r.heard, text)
}

func (r *reporter) say(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text = text
}

func (r *reporter) hears() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.heard)
}

// What a replica reports rides along with its Lease: it is no reason to write one, nor to wake anybody.
func TestReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		client.PrependReactor("update", "leases", func(action clienttesting.Action) (bool, runtime.Object, error) {
			update, _ := action.(clienttesting.UpdateAction)
			lease, _ := update.GetObject().(*coordinationv1.Lease)
			if lease.Annotations[ReportAnnotation] != "two" {
				return false, nil, nil
			}
			return true, nil, apierrors.NewConflict(coordinationv1.Resource("leases"), lease.Name, nil)
		})
		var a, b reporter
		woken := 0
		group := func(name string, r *reporter) Options {
			return Options{Client: client, Namespace: "ours", Name: "portcullis", Replica: name, Report: r.report, Hear: r.hear}
		}
		first, leaveFirst := begin(t, group("a", &a), func() { woken++ })
		_, leaveSecond := begin(t, group("b", &b), nil)
		synctest.Wait()
		if len(a.anew) != 1 || len(b.anew) != 1 || len(a.hears()) != 0 {
			t.Errorf("at first: %+v, %+v", a.anew, a.hears())
		}

		before := woken
		client.ClearActions()
		b.say("one")
		synctest.Wait()
		if writes := leaseWrites(client); writes != 0 {
			t.Errorf("a report alone has %d Leases written", writes)
		}
		time.Sleep(renewEvery)
		synctest.Wait()
		time.Sleep(2 * renewEvery)
		synctest.Wait()
		if got := a.hears(); !slices.Equal(got, []string{"one"}) {
			t.Errorf("what is said once is heard as %q", got)
		}
		if woken != before {
			t.Errorf("reports wake %d times", woken-before)
		}
		if got, err := first.Reports(t.Context()); err != nil || !slices.Equal(got, []string{"one"}) {
			t.Errorf("asked for, they are %q, %v", got, err)
		}

		// What no Lease took was not said.
		b.say("two")
		time.Sleep(renewEvery)
		synctest.Wait()
		if slices.Contains(b.taken, "two") || slices.Contains(a.hears(), "two") {
			t.Error("what no Lease took was said")
		}

		// Who leaves says what is left.
		b.say("three")
		leaveSecond()
		if got := a.hears(); !slices.Equal(got, []string{"one", "three"}) {
			t.Errorf("in the end %q is heard", got)
		}
		leaveFirst()
		leases, err := client.CoordinationV1().Leases("ours").List(t.Context(), metav1.ListOptions{})
		if err != nil || len(leases.Items) != 0 {
			t.Errorf("left are %+v, %v", leases.Items, err)
		}
	})
}

func leaseWrites(client *fake.Clientset) (count int) {
	for _, action := range client.Actions() {
		if action.GetVerb() == "update" || action.GetVerb() == "create" {
			count++
		}
	}
	return count
}
