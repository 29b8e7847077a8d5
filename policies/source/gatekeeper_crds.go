package source

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"
)

// constraintLabel marks the CRDs of constraints, whoever made them.
const constraintLabel = "gatekeeper.sh/constraint"

func crdResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
}

// crdOf is the name of the CRD of a template's constraints.
func crdOf(template string) string { return template + "." + constraintGroup }

// crdWatch knows the metadata of Gatekeeper's CRDs. It is one watch, of all CRDs there are: there is no way to ask for a group's.
type crdWatch struct {
	informer cache.SharedIndexInformer
	stale    atomic.Bool // some have changed since somebody looked

	mu      sync.Mutex
	trouble error
}

func watchCRDs(client metadata.Interface) *crdWatch {
	w := &crdWatch{}
	crds := client.Resource(crdResource())
	w.informer = cache.NewSharedIndexInformerWithOptions(cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return persist(ctx, w.note, func() (runtime.Object, error) { return crds.List(ctx, options) })
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return persist(ctx, w.note, func() (watch.Interface, error) { return crds.Watch(ctx, options) })
		},
	}, client), &metav1.PartialObjectMetadata{}, cache.SharedIndexInformerOptions{ObjectDescription: "the metadata of CRDs"})
	_ = w.informer.SetTransform(func(object any) (any, error) { return onlyTheirs(object), nil })
	_ = w.informer.SetWatchErrorHandlerWithContext(func(context.Context, *cache.Reflector, error) {}) // it is noted already
	return w
}

// onlyTheirs leaves of a CRD what is looked at, and of one that is not Gatekeeper's its name.
func onlyTheirs(object any) any {
	crd, ok := object.(*metav1.PartialObjectMetadata)
	if !ok {
		return object
	}
	out := &metav1.PartialObjectMetadata{TypeMeta: crd.TypeMeta, ObjectMeta: metav1.ObjectMeta{Name: crd.Name, ResourceVersion: crd.ResourceVersion, Generation: crd.Generation}}
	if isTheirCRD(crd.Name) {
		out.DeletionTimestamp, out.OwnerReferences, out.Labels = crd.DeletionTimestamp, crd.OwnerReferences, crd.Labels
	}
	return out
}

// isTheirCRD reports whether a CRD is of a group of which kinds are followed.
func isTheirCRD(name string) bool {
	_, group, _ := strings.Cut(name, ".")
	return group == constraintGroup || slices.ContainsFunc(gatekeeperKinds(), func(k gatekeeperKind) bool { return k.group == group })
}

// run watches until ctx ends, and calls changed when one of Gatekeeper's CRDs changes.
func (w *crdWatch) run(ctx context.Context, changed func()) {
	heard := func(any) {
		w.stale.Store(true)
		changed()
	}
	_, err := w.informer.AddEventHandler(cache.FilteringResourceEventHandler{
		FilterFunc: func(object any) bool {
			if gone, ok := object.(cache.DeletedFinalStateUnknown); ok {
				object = gone.Obj
			}
			crd, ok := object.(*metav1.PartialObjectMetadata)
			return ok && isTheirCRD(crd.Name)
		},
		Handler: cache.ResourceEventHandlerFuncs{AddFunc: heard, DeleteFunc: heard, UpdateFunc: func(any, any) { heard(nil) }},
	})
	if err != nil { // only an informer that was stopped takes no handler
		w.note(ctx, err)
		return
	}
	w.informer.RunWithContext(ctx)
}

func (w *crdWatch) note(ctx context.Context, err error) {
	if ctx.Err() != nil || apierrors.IsResourceExpired(err) || apierrors.IsGone(err) || errors.Is(err, io.EOF) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trouble = err
}

// fault is why CRDs cannot be followed now, or nil.
func (w *crdWatch) fault() error {
	w.mu.Lock()
	err := w.trouble
	w.mu.Unlock()
	return (&kind{resource: crdResource()}).describe(err)
}

// of returns the metadata of a template's CRD, nil if there is none; false when that is not known.
func (w *crdWatch) of(template string) (*metav1.PartialObjectMetadata, bool) {
	if !w.informer.HasSynced() {
		return nil, false
	}
	return w.named(crdOf(template)), true
}

func (w *crdWatch) named(name string) *metav1.PartialObjectMetadata {
	object, _, _ := w.informer.GetStore().GetByKey(name)
	crd, _ := object.(*metav1.PartialObjectMetadata)
	return crd
}

// generation is that of the CRD of a resource, which changes with its schemas; 0 if it is not known.
func (w *crdWatch) generation(of schema.GroupVersionResource) int64 {
	if crd := w.named(of.GroupResource().String()); crd != nil {
		return crd.Generation
	}
	return 0
}

// foreign reports whether the CRD that has the name of a template's is not that of constraints.
func (w *crdWatch) foreign(template string) bool {
	crd, known := w.of(template)
	return known && crd != nil && !ofConstraints(template, crd.Labels, crd.OwnerReferences)
}

// ofConstraints reports whether a CRD is that of a template's constraints, and not somebody else's that happens to be called so.
func ofConstraints(template string, labels map[string]string, owners []metav1.OwnerReference) bool {
	return labels[constraintLabel] == "yes" || slices.ContainsFunc(owners, func(o metav1.OwnerReference) bool { return owns(o, template) })
}

// owns reports whether an owner is the template of that name.
func owns(o metav1.OwnerReference, template string) bool {
	group, _, _ := strings.Cut(o.APIVersion, "/")
	return group == templateGroup && o.Kind == theTemplates().kind && o.Name == template
}

// unserved reports whether there is a CRD of Gatekeeper's whose kind is not served yet.
func (w *crdWatch) unserved(served servedThere) bool {
	if !w.informer.HasSynced() {
		return false
	}
	have := map[string]bool{}
	for _, at := range served {
		have[at.GroupResource().String()] = true
	}
	return slices.ContainsFunc(w.informer.GetStore().List(), func(object any) bool {
		crd, ok := object.(*metav1.PartialObjectMetadata)
		return ok && isTheirCRD(crd.Name) && crd.DeletionTimestamp == nil && !have[crd.Name]
	})
}
