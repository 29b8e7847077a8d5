package reports

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portcullis-dev/portcullis/audit"
)

// Writer writes the reports of one replica.
type Writer struct {
	Options
	*store

	begun   time.Time
	members []string
	api     api // the zero value while the cluster serves none
	owner   *metav1.OwnerReference
	written map[string]*written // by namespace and name, of this shard in api
	others  []present           // of this shard in another api
	since   map[string]int64    // when results were found first, by what was there when it was read
	read    time.Time           // when that was
	asked   time.Time           // when the cluster was asked which kinds it serves
	seen    uint64              // the changes
	due     time.Time           // when to look although nothing has changed; zero is never
	told    string
}

// written is an object that is there, as far as that is known.
type written struct {
	present
	results, whole [sha256.Size]byte
	at, retry      time.Time
}

// NewWriter returns a Writer. The cluster is not called before Run.
func NewWriter(o Options) (*Writer, error) {
	o, s, err := o.complete()
	if err != nil {
		return nil, err
	}
	return &Writer{Options: o, store: s, begun: time.Now()}, nil
}

// Run writes until ctx ends; then it returns nil. Whatever the number of results it takes a fifth of one processor at most.
func (w *Writer) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		begun := time.Now()
		err := w.step(ctx, begun)
		if ctx.Err() != nil {
			return nil
		}
		rest := max(w.times.look, 4*time.Since(begun))
		if err != nil {
			rest = w.times.retry
		}
		w.tell(err)
		timer.Reset(min(rest, time.Minute))
	}
}

// tell tells what is wrong, once.
func (w *Writer) tell(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != w.told && err != nil {
		w.Observer.Wrote("failed")
		w.Log.Error("what the audit has found is not in the reports of the cluster; trying again", "error", err)
	}
	w.told = text
}

// step brings the reports to what was found.
func (w *Writer) step(ctx context.Context, now time.Time) error {
	live, err := w.Members()
	if err != nil {
		return nil //nolint:nilerr // who keeps the Leases tells of what keeps him from it
	}
	if !slices.Contains(live, w.Shard) {
		live = append(slices.Clone(live), w.Shard)
	}
	slices.Sort(live)
	if now.Sub(w.asked) >= w.times.discover {
		all, err := served(ctx, w.kinds)
		if err != nil {
			return err
		}
		if w.Choice.choose(all) != w.api {
			w.read = time.Time{}
		}
		w.asked = now
	}
	if now.Sub(w.read) >= w.times.resync || !slices.Equal(live, w.members) {
		if err := w.sync(ctx); err != nil {
			return err
		}
		w.members, w.read, w.due = live, now, now
	}
	if w.api == (api{}) {
		return nil
	}
	var changes uint64
	if w.Changes != nil {
		changes = w.Changes()
	}
	if w.Changes != nil && changes == w.seen && (w.due.IsZero() || now.Before(w.due)) {
		return nil
	}
	found, known := w.Found()
	if !known {
		return nil
	}
	w.seen, w.due = changes, time.Time{}
	return w.write(ctx, &found, now)
}

// write applies what is another than what is there, and deletes what is not to be there any more.
func (w *Writer) write(ctx context.Context, found *audit.Report, now time.Time) error {
	layout := Layout{
		Shard: label(w.Shard), Followers: w.members[0] != w.Shard,
		MaxObjects: max(1, MaxObjects/len(w.members)), MaxTotal: max(MaxBytes, MaxTotal/len(w.members)),
		Since: func(id string, seconds int64) int64 {
			if before, ok := w.since[id]; ok {
				return min(before, seconds)
			}
			return seconds
		},
	}
	found.At = w.begun // which is said of what has no other time, and must stay
	var errs []error
	objects, bytes, wanted := 0, 0, map[string]bool{}
	omitted := layout.Each(found, func(o Object, size int) {
		objects, bytes = objects+1, bytes+size
		o = w.dress(o)
		p := present{Object: o, at: w.api.of(o.Metadata.Namespace)}
		wanted[p.key()] = true
		if err := w.one(ctx, p, now); err != nil && len(errs) < maxErrors {
			errs = append(errs, err)
		}
	})
	w.Observer.Held(objects, bytes, omitted)
	for key, there := range w.written {
		if wanted[key] {
			continue
		}
		if err := w.drop(ctx, there.present); err != nil {
			errs = append(errs, err)
			continue
		}
		delete(w.written, key)
	}
	for len(w.others) > 0 && len(errs) == 0 { // what is to be seen is there first
		if err := w.drop(ctx, w.others[0]); err != nil {
			errs = append(errs, err)
			break
		}
		w.others = w.others[1:]
	}
	if len(errs) > 0 {
		w.again(now.Add(w.times.retry))
	}
	return errors.Join(errs...)
}

// maxErrors bounds what is told at once.
const maxErrors = 5

// one writes an object, unless it is there, or may wait.
func (w *Writer) one(ctx context.Context, p present, now time.Time) error {
	results, whole, text := digests(p.Object)
	there := w.written[p.key()]
	if there != nil {
		switch {
		case there.whole == whole:
			return nil
		case there.retry.After(now):
			w.again(there.retry)
			return nil
		case there.results == results && now.Sub(there.at) < w.times.counts:
			w.again(there.at.Add(w.times.counts))
			return nil
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	next := &written{present: present{Object: Object{Metadata: Metadata{Name: p.Metadata.Name, Namespace: p.Metadata.Namespace}}, at: p.at}, at: now}
	if there != nil {
		next.uid = there.uid
	}
	w.written[p.key()] = next
	applied, err := w.apply(ctx, p.at, p.Object, text)
	if err == nil {
		w.Observer.Wrote("applied")
		next.uid, next.results, next.whole = applied.GetUID(), results, whole
		return nil
	}
	w.Observer.Wrote("failed")
	next.retry = now.Add(w.times.retry)
	w.again(next.retry)
	if apierrors.IsNotFound(err) || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) { // the namespace is going, or the kind is
		w.read = time.Time{}
		return nil
	}
	return fmt.Errorf("%s %s: %w", p.Kind, p.key(), err)
}

// drop deletes an object, if it is there.
func (w *Writer) drop(ctx context.Context, p present) error {
	if p.uid == "" {
		return nil
	}
	if err := w.remove(ctx, p); err != nil {
		w.Observer.Wrote("failed")
		return fmt.Errorf("delete %s %s: %w", p.at.GroupResource(), p.key(), err)
	}
	w.Observer.Wrote("deleted")
	return nil
}

// again has it looked again at some time, though nothing changes.
func (w *Writer) again(at time.Time) {
	if w.due.IsZero() || at.Before(w.due) {
		w.due = at
	}
}
