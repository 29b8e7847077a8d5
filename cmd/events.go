package cmd

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/flowcontrol"
)

const (
	// reporter is the reportingController of our Events.
	reporter = "portcullis.dev/portcullis"
	// What is told again within retell is not told. It is longer than an Event takes to be seen, and shorter than one lasts, which is an hour:
	// of what goes on there always is one.
	retell = 10 * time.Minute
	// eventBurst and eventsPerSecond bound the Events of a leader: a library that vanishes makes a thousand policies faulty at once, and a
	// few of them say all there is to say.
	eventBurst, eventsPerSecond = 50, 0.5
)

// teller is an events.EventRecorder that tells nothing twice, and not more than anybody could read.
type teller struct {
	events.EventRecorder
	limit   flowcontrol.RateLimiter
	now     func() time.Time
	dropped prometheus.Counter

	mu   sync.Mutex
	told map[string]time.Time // when, by all that was told
}

func newTeller(to events.EventRecorder, dropped prometheus.Counter) *teller {
	return &teller{
		EventRecorder: to, limit: flowcontrol.NewTokenBucketRateLimiter(eventsPerSecond, eventBurst), now: time.Now, dropped: dropped,
		told: map[string]time.Time{},
	}
}

// Eventf makes an Event, unless it was made a moment ago or there are too many.
func (t *teller) Eventf(regarding, related runtime.Object, kind, reason, action, note string, args ...any) {
	text := fmt.Sprintf(note, args...)
	if t.new(fmt.Sprint(about(regarding), kind, reason, action, text)) {
		t.EventRecorder.Eventf(regarding, related, kind, reason, action, "%s", text)
	}
}

func (t *teller) new(what string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	for text, at := range t.told {
		if now.Sub(at) >= retell {
			delete(t.told, text)
		}
	}
	if _, told := t.told[what]; told {
		return false
	}
	if !t.limit.TryAccept() {
		t.dropped.Inc()
		return false
	}
	t.told[what] = now
	return true
}

// about names an object, whatever version it is.
func about(object runtime.Object) string {
	if named, err := meta.Accessor(object); err == nil {
		return object.GetObjectKind().GroupVersionKind().Kind + " " + named.GetNamespace() + "/" + named.GetName()
	}
	return fmt.Sprint(object)
}

// record returns what makes Events until ctx ends. They have a client of their own, so that writing them holds up nothing else.
func (c *member) record(ctx context.Context) events.EventRecorder {
	config := rest.CopyConfig(c.config)
	config.QPS, config.Burst = 2, eventBurst
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		c.log.Error("no Events are made", "error", err)
		return nil
	}
	broadcaster := events.NewBroadcaster(&events.EventSinkImpl{Interface: client.EventsV1()})
	if err := broadcaster.StartRecordingToSinkWithContext(ctx); err != nil {
		c.log.Error("no Events are made", "error", err)
		return nil
	}
	context.AfterFunc(ctx, broadcaster.Shutdown)
	return newTeller(broadcaster.NewRecorder(scheme.Scheme, reporter), c.metrics.untold)
}
