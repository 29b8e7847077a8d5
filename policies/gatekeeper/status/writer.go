package status

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/portcullis-dev/portcullis/policies/source"
)

const (
	// look is how often to look when nothing tells of a change.
	look = 30 * time.Second
	// quiet is how long to wait for more before writing: one load changes many objects, and replicas follow one after another.
	quiet = time.Second
	// perStep is how many objects are written before others may write: with quiet between two steps, ten a second at most.
	perStep = 10
	// retry is after how long what could not be written is tried again.
	retry = 10 * time.Second
	// truce is for how long a status is left as somebody else has it who took our entries out of it, at first; it doubles each time.
	truce = time.Minute
	// maxTruce is the longest: two servers that both write a status whole would write for ever.
	maxTruce = time.Hour
)

// Writer writes the status of Gatekeeper's objects. It must run on one server at a time: every write is refused by the API server if anybody
// wrote the object since it was read.
type Writer struct {
	// Client needs patch for the status of Gatekeeper's objects.
	Client dynamic.Interface
	// Release is the name of the release. The entries of its replicas have the ids RELEASE/REPLICA, which no Pod's name is.
	Release string
	// Followed lists the objects.
	Followed func() []source.Followed
	// Page returns what is known of them.
	Page func() Page
	// Replicas returns those that are alive.
	Replicas func() ([]Replica, error)
	Log      *slog.Logger

	wake chan struct{}
	told string // the error that was logged last
	// What was learnt since this server leads.
	wrote  map[string]written
	deaf   map[schema.GroupResource]bool // whose definition keeps no byPod
	sparse map[schema.GroupResource]bool // whose definition keeps no conditions
}

// written is what was last written at an object.
type written struct {
	uid    types.UID
	wanted string                    // what it should say
	kept   map[string]map[string]any // the entries of ours that the API server has kept of it
	lost   int                       // how often somebody else has not let it stand
	until  time.Time                 // until when it is left like that
}

// NewWriter returns a Writer; its other fields are to be set before Run.
func NewWriter(client dynamic.Interface, release string, log *slog.Logger) *Writer {
	return &Writer{Client: client, Release: release, Log: log, wake: make(chan struct{}, 1)}
}

// Wake has the Writer look soon. It never blocks.
func (w *Writer) Wake() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Run writes until ctx ends, then returns nil.
func (w *Writer) Run(ctx context.Context) error {
	w.forget()
	timer := time.NewTimer(0)
	defer timer.Stop()
	awake := true // the timer is about to fire: whoever wakes again does not put it off
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.wake:
			if !awake {
				timer.Reset(quiet)
			}
			awake = true
		case <-timer.C:
			timer.Reset(w.step(ctx))
			awake = false
		}
	}
}

// forget is for who begins to lead: what was learnt the last time may be another's by now.
func (w *Writer) forget() {
	w.wrote, w.deaf, w.sparse = map[string]written{}, map[schema.GroupResource]bool{}, map[schema.GroupResource]bool{}
}

// step writes what has changed, some of it if it is much, and says when to go on.
func (w *Writer) step(ctx context.Context) time.Duration {
	replicas, err := w.Replicas()
	if err != nil { // as in the first moments; who keeps the Leases tells of what keeps him from it
		return retry
	}
	page, now := w.Page(), time.Now()
	slices.SortFunc(replicas, func(a, b Replica) int { return cmp.Compare(a.Name, b.Name) })
	var errs []error
	there, count := map[string]bool{}, 0
	for _, kind := range w.Followed() {
		shape, ok := shapeOf(kind.Resource)
		if !ok {
			continue
		}
		for _, u := range kind.List() {
			s := subject{u, kind.Resource, shape}
			there[s.key()] = true
			// What is not loaded yet will be; until then nothing is known of it.
			if !page.Versions.Hold(u) || w.deaf[s.at.GroupResource()] {
				continue
			}
			if count == perStep {
				return quiet
			}
			did, err := w.keep(ctx, s, page.judge(s, w.Release, replicas, now), now)
			if did {
				count++
			}
			if err != nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
				errs = append(errs, fmt.Errorf("%s %s: %w", u.GetKind(), u.GetName(), err))
			}
			if len(errs) == perStep || ctx.Err() != nil { // what fails for one is likely to fail for all
				return w.tell(ctx, errors.Join(errs...))
			}
		}
	}
	for key := range w.wrote {
		if !there[key] {
			delete(w.wrote, key)
		}
	}
	return w.tell(ctx, errors.Join(errs...))
}

func (s subject) key() string { return s.at.GroupResource().String() + " " + s.GetName() }

// tell logs an error once, and says when to look again.
func (w *Writer) tell(ctx context.Context, err error) time.Duration {
	if err == nil || ctx.Err() != nil {
		w.told = ""
		return look
	}
	if err.Error() != w.told {
		w.told = err.Error()
		w.Log.Error("the status of Gatekeeper's objects is not as it should be; trying again", "error", err)
	}
	return retry
}

// keep writes what became of one object unless it is there already, and reports whether it did.
func (w *Writer) keep(ctx context.Context, s subject, wanted judgement, now time.Time) (bool, error) {
	has, conditions := wanted.readiness(s.Unstructured, now)
	sparse := w.sparse[s.at.GroupResource()]
	next := written{uid: s.GetUID(), wanted: wanted.text(w.Release)}
	last, known := w.wrote[s.key()]
	again := known && last.uid == next.uid && last.wanted == next.wanted
	own := wanted.own(w.Release)
	if again {
		own = last.kept
	}
	if wanted.holds(s.Unstructured, own, w.Release) && (has || sparse) {
		return false, nil
	}
	if again {
		if now.Before(last.until) {
			return false, nil
		}
		next.until, next.lost = now.Add(min(truce<<min(last.lost, 10), maxTruce)), last.lost+1
	}
	status := map[string]any{"byPod": wanted.byPod}
	if wanted.created != nil {
		status["created"] = *wanted.created
	}
	if !sparse {
		status["conditions"] = conditions
	}
	body, err := json.Marshal(map[string]any{"metadata": map[string]any{"resourceVersion": s.GetResourceVersion()}, "status": status})
	if err != nil {
		return false, err
	}
	kept, err := w.Client.Resource(s.at).Namespace(s.GetNamespace()).Patch(ctx, s.GetName(), types.MergePatchType, body, metav1.PatchOptions{}, "status")
	if err != nil {
		return true, err
	}
	_, next.kept = entries(kept, w.Release)
	w.wrote[s.key()] = next
	w.learn(s, wanted, kept)
	return true, nil
}

// learn looks at what the API server has kept of what was written: a definition that has no such fields drops them, and nothing would be
// gained by writing them again.
func (w *Writer) learn(s subject, wanted judgement, kept *unstructured.Unstructured) {
	at := s.at.GroupResource()
	if _, own := entries(kept, w.Release); len(own) == 0 && len(wanted.own(w.Release)) > 0 {
		w.deaf[at] = true
		w.Log.Info("the definition of a kind has no status.byPod, so that none is written", "kind", at.String())
	}
	if len(conditionsOf(kept)) == 0 {
		w.sparse[at] = true
	}
}
