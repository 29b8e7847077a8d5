package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"

	"github.com/portcullis-dev/portcullis/policies/inventory"
)

const (
	// retryFirst and retryMost bound the pauses between attempts to list a kind, unless Inventory.Retry says another longest; a kind that is
	// not there is looked for after the longest. Each is drawn anew between a half and the whole, so that replicas that lost one API server
	// do not ask the next together.
	retryFirst = time.Second
	retryMost  = 30 * time.Second
	// settled is how long a watch lasts after which its end is no failure.
	settled = 5 * time.Second
	// After an update the next one waits nine times as long as that took, at most a second: however many objects change, publishing them
	// takes a tenth of one processor.
	idleShare = 9
	idleMost  = time.Second
)

// follower keeps one kind in the store, with the fields of one need.
type follower struct {
	kind   inventory.Kind
	need   *inventory.Need
	server apiServer
	store  *inventory.Store
	log    *slog.Logger
	before *follower     // whose place it takes once it has listed
	retry  time.Duration // the longest pause between attempts

	queue queue

	mu      sync.Mutex // held while the store is written
	stopped bool
	cancel  context.CancelFunc
	said    string // what was last logged
}

func newFollower(kind inventory.Kind, need *inventory.Need, server apiServer, store *inventory.Store, log *slog.Logger) *follower {
	return &follower{
		kind: kind, need: need, server: server, store: store, log: log.With("kind", string(kind)), retry: retryMost,
		queue: queue{wake: make(chan struct{}, 1)}, cancel: func() {},
	}
}

// stop ends the follower and those before it. After it has returned they write nothing more.
func (f *follower) stop() {
	f.mu.Lock()
	f.stopped = true
	f.cancel()
	before := f.before
	f.before = nil
	f.mu.Unlock()
	if before != nil {
		before.stop()
	}
}

// write runs a change of the store, unless the follower is stopped.
func (f *follower) write(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.stopped {
		change()
	}
}

// run follows the kind until ctx ends or the follower is stopped.
func (f *follower) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f.mu.Lock()
	f.cancel = cancel
	stopped := f.stopped
	f.mu.Unlock()
	if stopped {
		return
	}
	ctx = logr.NewContext(ctx, logr.FromSlogHandler(f.log.Handler())) // the reflector's own words go where ours do
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { f.flush(ctx) })
	pause := min(retryFirst, f.retry)
	for ctx.Err() == nil {
		begun := time.Now()
		err := f.follow(ctx)
		f.fail(ctx, err)
		switch {
		case errors.Is(err, errNoSuchKind) || errors.Is(err, errNoList):
			pause = f.retry
		case time.Since(begun) > settled:
			pause = min(retryFirst, f.retry)
		}
		sleep(ctx, pause/2+rand.N(pause/2)) //nolint:gosec // chance, not secrecy
		pause = min(2*pause, f.retry)
	}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// follow finds, lists and watches the kind until something is wrong; when a watch has merely ended, it begins again.
func (f *follower) follow(ctx context.Context) error {
	at, err := f.server.find(ctx, f.kind)
	if err != nil {
		return err
	}
	fields := f.need.Fields.Of(at.namespaced)
	from := f.server.of(at, fields.OnlyMetadata())
	sink := &sink{follower: f, namespaced: at.namespaced, fields: fields, builder: inventory.NewBuilder(f.kind, fields)}
	var client any = plain{}
	if f.need.MaxStaleness >= streamable {
		client = from.client()
	}
	logger := logr.FromContextOrDiscard(ctx)
	reflector := cache.NewReflectorWithOptions(
		cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
			ListWithContextFunc:  from.list,
			WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) { return f.watch(ctx, from, o) },
		}, client),
		nil, sink, cache.ReflectorOptions{Name: "inventory of " + string(f.kind), TypeDescription: string(f.kind), Logger: &logger})
	for ctx.Err() == nil {
		begun := time.Now()
		if err := reflector.ListAndWatchWithContext(ctx); err != nil {
			return err
		}
		if time.Since(begun) < settled {
			return nil
		}
	}
	return nil
}

// streamable is the least bound on age at which the list may come by way of the first watch: that must then last long enough for a large
// list.
const streamable = 2 * time.Minute

// plain stands for a client that lists before it watches.
type plain struct{}

// IsWatchListSemanticsUnSupported is asked by the reflector.
func (plain) IsWatchListSemanticsUnSupported() bool { return true }

// watch asks for a watch that ends twice within the time after which what is known is too old. Renewing it shows that the API server
// still answers; most, but not all, also tell every minute how far they have come.
func (f *follower) watch(ctx context.Context, from listWatcher, options metav1.ListOptions) (watch.Interface, error) {
	half := f.need.MaxStaleness / 2
	seconds := int64(max(1, (half*3/4 + rand.N(half/4)).Seconds())) //nolint:gosec // chance, not secrecy
	if options.TimeoutSeconds == nil || *options.TimeoutSeconds > seconds {
		options.TimeoutSeconds = &seconds
	}
	began, err := from.watch(ctx, options)
	switch {
	case err != nil:
		f.fail(ctx, err)
	case options.SendInitialEvents == nil: // it goes on where the last one ended
		f.queue.add(time.Now())
	}
	return began, err
}

// fail tells the store, and the log if it is something new, why the kind cannot be followed.
func (f *follower) fail(ctx context.Context, err error) {
	if err == nil || ctx.Err() != nil || apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
		return
	}
	f.write(func() {
		why := errNotNow
		switch {
		case errors.Is(err, errNoSuchKind), errors.Is(err, errNoList):
			f.store.Lose(f.kind, err)
			f.warn(err)
			return
		case apierrors.IsNotFound(err):
			return // it is looked for at once, and then it is known
		case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
			why = errForbidden
		}
		f.store.Fail(f.kind, why)
		f.warn(err)
	})
}

func (f *follower) warn(err error) {
	if text := err.Error(); f.said != text {
		f.said = text
		f.log.Warn("objects that policies read cannot be watched", "error", text)
	}
}

// replace puts a whole list in the place of what was known, be it by the follower before.
func (f *follower) replace(list inventory.List) {
	f.mu.Lock()
	before := f.before
	f.before = nil
	f.mu.Unlock()
	if before != nil {
		before.stop()
	}
	f.write(func() {
		f.queue.take() // it is older
		f.store.Replace(f.kind, list)
		f.said = ""
		f.log.Info("objects that policies read are listed", "objects", len(list.Objects), "kept", list.Fields.String())
	})
}

// flush writes what the queue holds, as fast as it comes, but for most of the time it does not.
func (f *follower) flush(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.queue.wake:
		}
		begun := time.Now()
		f.write(func() {
			if changes, at, some := f.queue.take(); some {
				f.store.Update(f.kind, at, changes...)
			}
		})
		sleep(ctx, min(idleShare*time.Since(begun), idleMost))
	}
}

// queue holds changes in their order, and when the cluster was last heard of.
type queue struct {
	mu      sync.Mutex
	changes []inventory.Change
	at      time.Time
	some    bool
	wake    chan struct{}
}

func (q *queue) add(at time.Time, changes ...inventory.Change) {
	q.mu.Lock()
	q.changes, q.at, q.some = append(q.changes, changes...), at, true
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *queue) take() (changes []inventory.Change, at time.Time, some bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	changes, at, some = q.changes, q.at, q.some
	q.changes, q.some = nil, false
	return changes, at, some
}

// sink is where a reflector puts what it lists and what it hears. It makes each object's value at once, so that nothing that is not read
// is ever held, not even for the time of a list.
type sink struct {
	*follower
	namespaced bool
	fields     *inventory.Fields
	builder    *inventory.Builder
}

var (
	_ cache.TransformingStore      = (*sink)(nil)
	_ cache.ReflectorBookmarkStore = (*sink)(nil)
)

// item is an object as the sink keeps it. The reflector files it by its metadata.
type item struct {
	metav1.ObjectMeta
	inventory.Object
}

// Transformer makes items of objects as they come.
func (s *sink) Transformer() cache.TransformFunc {
	return func(object any) (any, error) { return s.item(object) }
}

func (s *sink) item(object any) (*item, error) {
	if done, ok := object.(*item); ok {
		return done, nil
	}
	var content map[string]any
	switch object := object.(type) {
	case *unstructured.Unstructured:
		content = object.Object
	case *metav1.PartialObjectMetadata:
		var err error
		if content, err = runtime.DefaultUnstructuredConverter.ToUnstructured(object); err != nil {
			return nil, fmt.Errorf("an object's metadata: %w", err)
		}
	default:
		return nil, fmt.Errorf("a %T is no object", object)
	}
	about, err := meta.Accessor(object)
	if err != nil {
		return nil, err
	}
	value, err := s.builder.Build(content)
	if err != nil {
		return nil, fmt.Errorf("%s/%s: %w", about.GetNamespace(), about.GetName(), err)
	}
	out := &item{Object: inventory.Object{Namespace: about.GetNamespace(), Name: about.GetName(), Value: value}}
	out.ObjectMeta = metav1.ObjectMeta{Namespace: out.Object.Namespace, Name: out.Object.Name}
	return out, nil
}

// Add takes an object that is new.
func (s *sink) Add(object any) error {
	one, err := s.item(object)
	if err != nil {
		return err
	}
	s.queue.add(time.Now(), inventory.Change(one.Object))
	return nil
}

// Update takes an object that has changed.
func (s *sink) Update(object any) error { return s.Add(object) }

// Delete takes an object that is gone.
func (s *sink) Delete(object any) error {
	about, err := meta.Accessor(object)
	if err != nil {
		return err
	}
	s.queue.add(time.Now(), inventory.Change{Namespace: about.GetNamespace(), Name: about.GetName()})
	return nil
}

// Replace takes the whole list.
func (s *sink) Replace(objects []any, _ string) error {
	list := inventory.List{Namespaced: s.namespaced, Fields: s.fields, At: time.Now(), Objects: make([]inventory.Object, 0, len(objects))}
	for _, object := range objects {
		one, err := s.item(object)
		if err != nil {
			return err
		}
		list.Objects = append(list.Objects, one.Object)
	}
	s.replace(list)
	return nil
}

// Bookmark hears that there is nothing new.
func (s *sink) Bookmark(string) error {
	s.queue.add(time.Now())
	return nil
}

// Resync is for stores that tell others.
func (*sink) Resync() error { return nil }
