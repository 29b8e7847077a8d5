package cmd

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/flowcontrol"
)

type heard struct {
	events.EventRecorder
	notes []string
}

func (h *heard) Eventf(_, _ runtime.Object, _, _, _, note string, args ...any) {
	h.notes = append(h.notes, fmt.Sprintf(note, args...))
}

// What was told a moment ago is not told again, of whatever version of the object; what is more than anybody could read is counted alone.
func TestEventsAreFewAndNoneTwice(t *testing.T) {
	to, dropped := &heard{}, prometheus.NewCounter(prometheus.CounterOpts{Name: "dropped"})
	teller, now := newTeller(to, dropped), time.Now()
	teller.now, teller.limit = func() time.Time { return now }, flowcontrol.NewTokenBucketRateLimiter(1e-9, 3)
	tell := func(name, version, note string) {
		lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: version}}
		teller.Eventf(lease, nil, "Warning", "R", "A", "100%% %s", note)
	}
	tell("a", "1", "one")
	tell("a", "2", "one")
	tell("a", "2", "two")
	tell("b", "2", "one")
	tell("b", "2", "one too many")
	if got := strings.Join(to.notes, ", "); got != "100% one, 100% two, 100% one" || testutil.ToFloat64(dropped) != 1 {
		t.Errorf("%s; %v dropped", got, testutil.ToFloat64(dropped))
	}
	teller.limit = flowcontrol.NewFakeAlwaysRateLimiter()
	now = now.Add(retell)
	tell("a", "3", "one")
	if len(to.notes) != 4 || len(teller.told) != 1 {
		t.Errorf("after a while: %v; remembered: %v", to.notes, teller.told)
	}
}
