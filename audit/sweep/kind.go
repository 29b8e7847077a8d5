package sweep

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/portcullis-dev/portcullis/audit"
)

// kind follows one resource. All but wake and want is for the goroutine that runs it.
type kind struct {
	*Sweep
	resource Resource
	shelf    *shelf
	cancel   context.CancelFunc

	epoch  uint32
	limit  int
	retry  time.Duration // after which objects are judged again of which some policy could not be asked
	heard  atomic.Int64  // when the API server was last heard of, in Unix nanoseconds; 0 before all was listed for the first time
	took   atomic.Int64  // how long the last list with all judgements took
	woken  chan struct{}
	mu     sync.Mutex
	wanted want
}

// want is what the next list is for.
type want struct {
	list     bool            // something must be listed
	all      bool            // every object is judged, by all policies
	policies map[number]bool // and otherwise those that are known by these
}

func (w *want) add(other want) {
	w.list, w.all = w.list || other.list, w.all || other.all
	for n := range other.policies {
		if w.policies == nil {
			w.policies = map[number]bool{}
		}
		w.policies[n] = true
	}
}

// want has the resource listed again.
func (k *kind) want(w want) {
	k.mu.Lock()
	k.wanted.add(w)
	k.mu.Unlock()
	select {
	case k.woken <- struct{}{}:
	default:
	}
}

// takeWanted is all that is wanted so far, which need not wake anybody any more.
func (k *kind) takeWanted() want {
	select {
	case <-k.woken:
	default:
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	out := k.wanted
	k.wanted = want{}
	return out
}

const (
	pageLimit = 500
	// The pauses between attempts that fail, each drawn anew between a half and the whole.
	retryFirst, retryMost = time.Second, 30 * time.Second
	// retryErrored is after how long objects are judged again of which some policy could not be asked; it doubles each time.
	retryErrored = time.Minute
)

// run lists and watches until ctx ends.
func (k *kind) run(ctx context.Context) {
	pause := retryFirst
	for ctx.Err() == nil {
		wanted := k.takeWanted()
		from, err := k.list(ctx, wanted)
		if err == nil {
			pause = retryFirst
			k.shelf.say("")
			err = k.watch(ctx, from)
		} else {
			k.want(wanted)
		}
		if err == nil || gone(err) {
			continue
		}
		if ctx.Err() != nil {
			return
		}
		k.shelf.say(k.trouble(err))
		if apierrors.IsNotFound(err) {
			k.rediscover()
		}
		k.wait(ctx, pause)
		pause = min(2*pause, retryMost)
	}
}

func (k *kind) wait(ctx context.Context, pause time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(pause/2 + rand.N(pause/2+1)): //nolint:gosec // no secret
	}
}

// trouble says in a sentence why not all of the resource is known.
func (k *kind) trouble(err error) string {
	switch {
	case apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err):
		return fmt.Sprintf("%s may not be listed and watched by this server; its service account needs a role with these two verbs, "+
			"which the chart's value audit.rbac gives it.", k.resource)
	case apierrors.IsNotFound(err):
		return fmt.Sprintf("%s is not served by the cluster any more.", k.resource)
	case gone(err):
		return fmt.Sprintf("%s could not be listed to the end: the list expired before it was through, again and again.", k.resource)
	}
	return fmt.Sprintf("%s could not be listed to the end: %v.", k.resource, err)
}

func (k *kind) hear() { k.heard.Store(time.Now().UnixNano()) }

// look judges an object if it is ours and if need be. What a list is for says what need be; nil is an object that has changed.
func (k *kind) look(ctx context.Context, raw []byte, wanted *want) {
	one, err := readItem(raw)
	if err != nil && one.name == "" {
		k.unreadable(raw, err)
		return
	}
	id := keyOf(k.resource.String(), one.namespace, one.name)
	if !k.share.Load().mine(id) {
		k.shelf.drop(id)
		return
	}
	out := judged{
		version: one.stamp(), err: err,
		about: audit.Object{
			Group: k.resource.Group, Version: k.resource.Version, Kind: k.resource.Kind, Resource: k.resource.Name,
			Namespace: one.namespace, Name: one.name, UID: one.uid,
		},
	}
	if wanted != nil && !wanted.all && k.shelf.seen(id, out.version, k.epoch) {
		if len(wanted.policies) == 0 {
			return
		}
		out.only = func(n number) bool { return wanted.policies[n] }
	}
	now := k.inForce()
	if now.Judge == nil {
		return
	}
	var only func(string) bool
	if out.only != nil {
		only = func(policy string) bool { n, ok := now.numbers[policy]; return ok && out.only(n) }
	}
	if err == nil {
		k.pace(ctx)
		out.Judgement, out.err = now.Judge.Judge(ctx, out.about, one.whole(k.resource), only)
		if ctx.Err() != nil {
			return // it was cut short, and that is no answer
		}
	}
	k.shelf.put(id, k.epoch, out, k.number, time.Now())
	k.observe(out)
}

// unreadable counts an object that has no name to know it by; an API server has none such.
func (k *kind) unreadable(raw []byte, err error) {
	k.shelf.put(keyOf(k.resource.String(), "", string(raw[:min(len(raw), 64)])), k.epoch, judged{err: err}, k.number, time.Now())
}

// errWoken ends a watch because something must be listed.
var errWoken = errors.New("woken")

// watch follows what happens from a resourceVersion on. It returns nil when all is to be listed again.
func (k *kind) watch(ctx context.Context, from string) error {
	failed := retryFirst
	again := time.NewTimer(k.againAfter())
	defer again.Stop()
	for ctx.Err() == nil {
		lasting, cancel := context.WithCancelCause(ctx)
		done := make(chan struct{})
		go func() {
			defer close(done)
			select {
			case <-k.woken:
				cancel(errWoken)
			case <-again.C:
				k.want(k.overdue())
				cancel(errWoken)
			case <-lasting.Done():
			}
		}()
		begun := time.Now()
		err := k.cluster.Watch(lasting, k.resource, from, func(e Event) error {
			k.hear()
			if version := versionOf(e.Object); version != "" {
				from = version
			}
			k.happened(ctx, e)
			return lasting.Err()
		})
		cancel(nil)
		<-done
		switch {
		case errors.Is(context.Cause(lasting), errWoken):
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil && time.Since(begun) > time.Second:
			failed = retryFirst
			continue
		case gone(err), apierrors.IsForbidden(err), apierrors.IsNotFound(err):
			return err
		}
		k.wait(ctx, failed)
		if failed = min(2*failed, retryMost); failed == retryMost && err != nil {
			return err
		}
	}
	return ctx.Err()
}

// againAfter is when the resource is listed again although nothing calls for it.
func (k *kind) againAfter() time.Duration {
	after := k.options.Interval - time.Duration(rand.Int64N(int64(k.options.Interval)/10+1)) //nolint:gosec // no secret
	if k.shelf.count(errored) > 0 {
		after = min(after, k.retry)
	}
	return after
}

// overdue is what that list is for: all, or the objects of which not all is known.
func (k *kind) overdue() want {
	if k.shelf.count(errored) > 0 && k.retry < k.options.Interval {
		k.retry *= 2
		return want{list: true}
	}
	k.retry = retryErrored
	return want{list: true, all: true}
}

// happened takes one event.
func (k *kind) happened(ctx context.Context, e Event) {
	switch e.Type {
	case "ADDED", "MODIFIED":
		k.look(ctx, e.Object, nil)
	case "DELETED":
		if one, err := readItem(e.Object); err == nil {
			k.shelf.drop(keyOf(k.resource.String(), one.namespace, one.name))
		}
	}
}
