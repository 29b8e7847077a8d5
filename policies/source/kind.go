package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"

	"github.com/portcullis-dev/portcullis/policies/native"
)

// kind is one kind of object that is watched.
type kind struct {
	client   dynamic.Interface
	resource schema.GroupVersionResource
	// where and which, for ConfigMaps and Secrets
	namespace, selector, field string
	custom                     bool   // there is a CRD, and with it the objects go
	whose                      string // with what the CRD comes
	files                      func(*unstructured.Unstructured) []native.File
	changed                    chan<- struct{}
	informer                   cache.SharedIndexInformer

	mu      sync.Mutex
	trouble error // of the last attempt to list or watch
	held    map[string][]native.File
}

// watched makes the kind's informer. Every outcome of listing and watching is noted: an informer by itself tries again and is silent.
func (k *kind) watched() *kind {
	objects := k.client.Resource(k.resource).Namespace(k.namespace)
	k.informer = cache.NewSharedIndexInformerWithOptions(cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			options.LabelSelector, options.FieldSelector = k.selector, k.field
			return persist(ctx, k.note, func() (runtime.Object, error) { return objects.List(ctx, options) })
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			options.LabelSelector, options.FieldSelector = k.selector, k.field
			return persist(ctx, k.note, func() (watch.Interface, error) { return objects.Watch(ctx, options) })
		},
	}, k.client), &unstructured.Unstructured{}, cache.SharedIndexInformerOptions{ObjectDescription: k.resource.String()})
	// What it would say, and say again, is noted already. It only fails once the informer has begun.
	_ = k.informer.SetWatchErrorHandlerWithContext(func(context.Context, *cache.Reflector, error) {})
	return k
}

func (k *kind) run(ctx context.Context) {
	signal := func(any) { k.signal() }
	_, err := k.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: signal, DeleteFunc: signal, UpdateFunc: func(any, any) { k.signal() },
	})
	if err != nil { // only an informer that was stopped takes no handler
		k.note(ctx, err)
		return
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		if cache.WaitForCacheSync(ctx.Done(), k.informer.HasSynced) {
			k.signal() // a kind without objects has no events
		}
	})
	k.informer.RunWithContext(ctx)
}

func (k *kind) signal() {
	select {
	case k.changed <- struct{}{}:
	default: // one is waiting to be heard
	}
}

// note keeps the outcome of listing or watching. That a watch has grown too old is nothing to tell of: the informer lists again.
func (k *kind) note(ctx context.Context, err error) {
	if ctx.Err() != nil || apierrors.IsResourceExpired(err) || apierrors.IsGone(err) || errors.Is(err, io.EOF) {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if (err == nil) == (k.trouble == nil) && (err == nil || err.Error() == k.trouble.Error()) {
		return
	}
	k.trouble = err
	k.signal()
}

// read returns the files of all objects, in the order of their names; nil when they were never listed. The error is what keeps the kind
// from being followed now; the files are then those that were there before.
func (k *kind) read(ctx context.Context) ([]native.File, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	trouble := k.describe(k.trouble)
	if !k.informer.HasSynced() {
		if k.held != nil { // by the one that followed the kind in another version
			return sorted(k.held), trouble
		}
		return nil, cmp.Or(trouble, errNotListed)
	}
	now := k.filesOf(k.informer.GetStore().List())
	if k.custom && k.lost(now) {
		// Read as gone, but their CRD may be what was deleted. If it is not, what there is now is asked for again: what the informer knows
		// may be of the time between two CRDs.
		live, err := k.look(ctx)
		if err != nil {
			now = k.held
			trouble = k.describe(err)
		} else {
			now = live
		}
	}
	k.held = now
	return sorted(now), trouble
}

// sorted lists the files of all objects in the order of their names.
func sorted(of map[string][]native.File) []native.File {
	out := make([]native.File, 0, len(of)) // not nil: there may be none
	for _, files := range of {
		out = append(out, files...)
	}
	slices.SortFunc(out, func(a, b native.File) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// lost reports whether an object that was there is not any more.
func (k *kind) lost(now map[string][]native.File) bool {
	for name := range k.held {
		if _, ok := now[name]; !ok {
			return true
		}
	}
	return false
}

// errKindGone is why objects that vanished are held on to.
var errKindGone = errors.New("its CRD was deleted, and all objects with it")

// look lists the objects and returns them if their CRD is there to stay.
func (k *kind) look(ctx context.Context) (map[string][]native.File, error) {
	ctx, cancel := context.WithTimeout(ctx, poll)
	defer cancel()
	list, err := k.client.Resource(k.resource).Namespace(k.namespace).List(ctx, metav1.ListOptions{LabelSelector: k.selector})
	if err != nil {
		return nil, err
	}
	crds := schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	crd, err := k.client.Resource(crds).Get(ctx, k.resource.GroupResource().String(), metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err), err == nil && crd.GetDeletionTimestamp() != nil:
		return nil, errKindGone
	case err != nil:
		return nil, err
	}
	objects := make([]any, len(list.Items))
	for i := range list.Items {
		objects[i] = &list.Items[i]
	}
	return k.filesOf(objects), nil
}

func (k *kind) filesOf(objects []any) map[string][]native.File {
	out := make(map[string][]native.File, len(objects))
	for _, object := range objects {
		if u, ok := object.(*unstructured.Unstructured); ok {
			out[u.GetNamespace()+"/"+u.GetName()] = k.files(u)
		}
	}
	return out
}

// describe puts trouble into a sentence with a remedy.
func (k *kind) describe(err error) error {
	name := k.resource.GroupResource().String()
	if k.namespace != "" {
		name += " in namespace " + k.namespace
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errKindGone):
		return fmt.Errorf("%s: %w; what was read stays in force until it is installed again", name, err)
	case k.custom && apierrors.IsNotFound(err):
		return fmt.Errorf("%s: the cluster does not serve the kind; install the CRDs that come with %s; what was read before stays in force",
			name, cmp.Or(k.whose, "Portcullis"))
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%s: give Portcullis' service account the rule it lacks; what was read before stays in force: %w", name, err)
	}
	return fmt.Errorf("%s: the objects cannot be followed; what was read before stays in force: %w", name, err)
}
