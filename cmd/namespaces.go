package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/review"
)

// namespaces knows a cluster's Namespaces from a watch; nothing is asked of the cluster while a request waits.
type namespaces struct {
	cache  cache.Cache
	log    *slog.Logger
	known  sync.Map // of policies.Namespace by name: made once, and not with every request
	synced chan struct{}
	// changed is called when the labels or annotations of a Namespace are others than before; nil if nobody wants to know.
	changed func()

	mu       sync.Mutex
	restored map[string]bool // those that are known from before and were not heard of yet; nil if none are
	changes  atomic.Int64

	arrivals *arrivals
}

// newNamespaces returns what watches a cluster. The cluster is not called before start.
func newNamespaces(config *rest.Config, log *slog.Logger) (*namespaces, error) {
	// To ask the cluster what a Namespace is would fail while it is away, and with it the server that it waits for.
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Namespace"), meta.RESTScopeRoot)
	c, err := cache.New(config, cache.Options{
		Scheme: scheme.Scheme, Mapper: mapper, DefaultTransform: cache.TransformStripManagedFields(),
	})
	if err != nil {
		return nil, fmt.Errorf("watching namespaces: %w", err)
	}
	return &namespaces{cache: c, log: log, synced: make(chan struct{}), arrivals: newArrivals()}, nil
}

// start watches until ctx ends.
func (n *namespaces) start(ctx context.Context) error {
	informer, err := n.cache.GetInformer(ctx, &corev1.Namespace{}, cache.BlockUntilSynced(false))
	if err != nil {
		return fmt.Errorf("watching namespaces: %w", err)
	}
	registration, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc: n.learn,
		UpdateFunc: func(before, now any) {
			n.learn(now)
			n.tell(before, now)
		},
		DeleteFunc: n.forget,
	})
	if err != nil {
		return fmt.Errorf("watching namespaces: %w", err)
	}
	go func() {
		if toolscache.WaitForCacheSync(ctx.Done(), registration.HasSynced) {
			n.listed()
		}
	}()
	if err := n.cache.Start(ctx); err != nil {
		return fmt.Errorf("watching namespaces: %w", err)
	}
	return nil
}

func (n *namespaces) learn(object any) {
	ns, ok := object.(*corev1.Namespace)
	if !ok {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.heard(ns.Name)
	n.store(ns)
}

// tell tells that a Namespace is another than before.
func (n *namespaces) tell(before, now any) {
	old, _ := before.(*corev1.Namespace)
	ns, _ := now.(*corev1.Namespace)
	if n.changed == nil || old == nil || ns == nil {
		return
	}
	if !maps.Equal(old.Labels, ns.Labels) || !maps.Equal(old.Annotations, ns.Annotations) {
		n.changed()
	}
}

// store makes a Namespace known. It is called with mu held.
func (n *namespaces) store(ns *corev1.Namespace) {
	named := ns.DeepCopy()
	named.APIVersion, named.Kind = "v1", "Namespace"
	text, err := json.Marshal(named)
	if err == nil {
		var value policies.Value
		if value, err = policies.ParseValue(text); err == nil {
			n.known.Store(ns.Name, policies.Namespace{Labels: ns.Labels, Object: value})
			n.arrivals.came(ns.Name)
			return
		}
	}
	n.known.Delete(ns.Name) // unknown is a fault that is seen; what it was before is not
	n.log.Error("a namespace cannot be read", "namespace", ns.Name, "error", err)
}

func (n *namespaces) forget(object any) {
	if unknown, ok := object.(toolscache.DeletedFinalStateUnknown); ok {
		object = unknown.Obj
	}
	if ns, ok := object.(*corev1.Namespace); ok {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.heard(ns.Name)
		n.known.Delete(ns.Name)
	}
}

func (n *namespaces) ready() error {
	select {
	case <-n.synced:
		return nil
	default:
		if n.standIn() {
			return nil
		}
		return errors.New("the cluster's namespaces have not been listed yet")
	}
}

// lookup is a policies.Namespaces.
func (n *namespaces) lookup(name string) (policies.Namespace, bool) {
	found, ok := n.known.Load(name)
	if !ok {
		return policies.Namespace{}, false
	}
	ns, ok := found.(policies.Namespace)
	return ns, ok
}

// await waits for the namespace of a request, see policies.WithArrivals. Before all are listed there is no telling which are to come.
func (n *namespaces) await(ctx context.Context, req *review.Request) {
	if n.ready() == nil {
		n.arrivals.await(ctx, req, func(name string) bool { _, known := n.lookup(name); return known })
	}
}
