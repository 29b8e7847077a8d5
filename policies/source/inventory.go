package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"github.com/portcullis-dev/portcullis/policies/inventory"
)

// Inventory keeps an inventory.Store true to a cluster: it watches the kinds that policies need, each as long as one does, and keeps of
// their objects what is read. A kind that the cluster does not know, or does not let it list, is looked for again and again; until it is
// found, policies that read it have no answer. Its methods may be called from any goroutine.
type Inventory struct {
	// Retry is the longest pause between attempts to list a kind, and that after which a kind that is not there is looked for. Zero means
	// 30 seconds. It must not be changed once Run is called.
	Retry time.Duration

	store  *inventory.Store
	server apiServer
	log    *slog.Logger

	mu      sync.Mutex
	needs   map[inventory.Kind]*inventory.Need // what is to be watched
	synced  map[inventory.Kind]*inventory.Need // and that for data.inventory
	changed chan struct{}

	shows shown // at data.inventory; whoever calls Sync has it
}

// NewInventory returns an Inventory that fills store from the cluster of config. The cluster is not called before Run.
func NewInventory(config *rest.Config, store *inventory.Store, log *slog.Logger) (*Inventory, error) {
	kinds, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("the client for the cluster's kinds: %w", err)
	}
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("the client for the cluster's objects: %w", err)
	}
	names, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("the client for the metadata of the cluster's objects: %w", err)
	}
	access, err := authorizationclient.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("the client for what this server may: %w", err)
	}
	return newInventory(&clients{kinds: kinds, objects: objects, metadata: names, access: access.SelfSubjectAccessReviews()}, store, log), nil
}

func newInventory(server apiServer, store *inventory.Store, log *slog.Logger) *Inventory {
	return &Inventory{store: store, server: server, log: log, changed: make(chan struct{}, 1)}
}

// prepareTime bounds how long new policies wait for what they read. A kind of 50,000 objects is listed in a few seconds.
const prepareTime = 10 * time.Second

// Prepare begins to watch what is needed beside what already is, and waits until it is there, for at most ten seconds; it does not
// wait for a kind that the cluster does not have or does not let it list. Call it before policies with these needs come into force: without what they read they have no answer.
func (i *Inventory) Prepare(ctx context.Context, needs map[inventory.Kind]*inventory.Need) {
	i.mu.Lock()
	all := maps.Clone(i.needs)
	if all == nil {
		all = map[inventory.Kind]*inventory.Need{}
	}
	for kind, need := range needs {
		all[kind] = together(all[kind], need)
	}
	i.needs = all
	i.wake()
	i.mu.Unlock()
	i.await(ctx, needs)
}

// await waits until what is needed is there, or cannot be had, for at most prepareTime.
func (i *Inventory) await(ctx context.Context, needs map[inventory.Kind]*inventory.Need) {
	ctx, cancel := context.WithTimeout(ctx, prepareTime)
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for i.pending(needs) {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// pending reports whether something that is needed is still to come.
func (i *Inventory) pending(needs map[inventory.Kind]*inventory.Need) bool {
	snapshot, now := i.store.Snapshot(), time.Now()
	for kind, need := range needs {
		lost := snapshot.Lost(kind)
		if snapshot.Check(kind, need, now) != nil && (lost == nil || errors.Is(lost, errNotNow)) {
			return true
		}
	}
	return false
}

// Follow watches what is needed and nothing else. Call it once policies with these needs are in force.
func (i *Inventory) Follow(needs map[inventory.Kind]*inventory.Need) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.needs = maps.Clone(needs)
	i.wake()
}

// wake has Run look at what is needed.
func (i *Inventory) wake() {
	select {
	case i.changed <- struct{}{}:
	default:
	}
}

// wanted is all that is to be watched. The two have no kind in common: they name it in other words.
func (i *Inventory) wanted() map[inventory.Kind]*inventory.Need {
	i.mu.Lock()
	defer i.mu.Unlock()
	out := maps.Clone(i.synced)
	if out == nil {
		out = map[inventory.Kind]*inventory.Need{}
	}
	maps.Copy(out, i.needs)
	return out
}

// together is what both need.
func together(a, b *inventory.Need) *inventory.Need {
	if a == nil {
		return b
	}
	sum := &inventory.Need{Fields: &inventory.Fields{}, MaxStaleness: min(a.MaxStaleness, b.MaxStaleness)}
	sum.Fields.Merge(a.Fields)
	sum.Fields.Merge(b.Fields)
	return sum
}

// Ready returns which of the kinds that are to be watched are not listed yet, and why, or nil. A kind that cannot be had is ready as far
// as it ever will be: its policies say so themselves.
func (i *Inventory) Ready() error {
	needs := i.wanted()
	snapshot := i.store.Snapshot()
	listed := snapshot.Kinds()
	var missing []string
	for _, kind := range slices.Sorted(maps.Keys(needs)) {
		if !slices.Contains(listed, kind) && snapshot.Lost(kind) == nil {
			missing = append(missing, string(kind))
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("the cluster's %s have not been listed yet", strings.Join(missing, ", "))
	}
	return nil
}

// Run watches until ctx ends; then it returns nil.
func (i *Inventory) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	following := map[inventory.Kind]*follower{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-i.changed:
		}
		needs := i.wanted()
		for kind, f := range following {
			if needs[kind] == nil {
				f.stop()
				i.store.Forget(kind)
				delete(following, kind)
			}
		}
		for kind, need := range needs {
			before := following[kind]
			if before != nil && same(before.need, need) {
				continue
			}
			f := newFollower(kind, need, i.server, i.store, i.log)
			if i.Retry > 0 {
				f.retry = i.Retry
			}
			f.before = before // which goes on until the new one has listed
			following[kind] = f
			wg.Go(func() { f.run(ctx) })
		}
	}
}

func same(a, b *inventory.Need) bool {
	return a.MaxStaleness == b.MaxStaleness && a.Fields.Covers(b.Fields) && b.Fields.Covers(a.Fields)
}

// What policies are told when a kind cannot be had. The log has the details.
var (
	errNoSuchKind = inventory.ErrNoSuchKind
	errNoList     = errors.New("it is a kind that cannot be listed and watched")
	errForbidden  = errors.New("this server may not list and watch it; its service account needs a role with these two verbs, which the chart's value rbac.inventory gives it")
	errNotNow     = errors.New("the cluster cannot be asked for it now")
)
