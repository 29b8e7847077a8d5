package release

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

const (
	// manager is the field manager of what is applied here.
	manager = "release"
	// knownEvery and knownTime are how often and how long to ask whether the API server knows a kind whose definition was applied.
	knownEvery, knownTime = 100 * time.Millisecond, 30 * time.Second
)

// cluster applies and deletes objects of any kind.
type cluster struct {
	client    dynamic.Interface
	kinds     *restmapper.DeferredDiscoveryRESTMapper
	namespace string // of objects that name none
}

func (r Release) connect(config *rest.Config) (cluster, error) {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return cluster{}, err
	}
	known, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return cluster{}, err
	}
	return cluster{client: client, kinds: restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(known)), namespace: r.Namespace}, nil
}

// Install applies the objects of the release by server-side apply, the namespace first, definitions of kinds before everything else. It
// does not wait for Pods. Installing again with other values or another chart is an upgrade, except that nothing is deleted.
func (r Release) Install(ctx context.Context, config *rest.Config) error {
	objects, err := r.objects(ctx)
	if err != nil {
		return err
	}
	c, err := r.connect(config)
	if err != nil {
		return fmt.Errorf("install %s: %w", r.Name, err)
	}
	for _, object := range objects {
		if err := c.apply(ctx, object); err != nil {
			return fmt.Errorf("install %s: %s %s: %w", r.Name, object.GetKind(), object.GetName(), err)
		}
	}
	return nil
}

// Uninstall deletes what Install has applied, as Helm would: not what has the annotation helm.sh/resource-policy: keep, and not the
// namespace. It does not wait until all is gone.
func (r Release) Uninstall(ctx context.Context, config *rest.Config) error {
	objects, err := r.objects(ctx)
	if err != nil {
		return err
	}
	c, err := r.connect(config)
	if err != nil {
		return fmt.Errorf("uninstall %s: %w", r.Name, err)
	}
	var errs []error
	for _, object := range slices.Backward(objects[1:]) {
		if object.GetAnnotations()["helm.sh/resource-policy"] == "keep" {
			continue
		}
		if err := c.delete(ctx, object); err != nil {
			errs = append(errs, fmt.Errorf("uninstall %s: %s %s: %w", r.Name, object.GetKind(), object.GetName(), err))
		}
	}
	return errors.Join(errs...)
}

// objects are the release's in the order to apply them; the first is the namespace.
func (r Release) objects(ctx context.Context) ([]*unstructured.Unstructured, error) {
	text, err := r.Render(ctx, false)
	if err != nil {
		return nil, err
	}
	objects, err := Objects(text)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(objects, func(a, b *unstructured.Unstructured) int { return rank(a) - rank(b) })
	namespace := &unstructured.Unstructured{}
	namespace.SetAPIVersion("v1")
	namespace.SetKind("Namespace")
	namespace.SetName(r.Namespace)
	return append([]*unstructured.Unstructured{namespace}, objects...), nil
}

// rank puts definitions of kinds first, and what runs Pods last, so that these find what they need.
func rank(o *unstructured.Unstructured) int {
	switch o.GetKind() {
	case "CustomResourceDefinition":
		return 0
	case "Deployment", "Pod":
		return 2
	}
	return 1
}

func (c cluster) apply(ctx context.Context, object *unstructured.Unstructured) error {
	resource, err := c.resource(ctx, object)
	if err != nil {
		return err
	}
	_, err = resource.Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: manager, Force: true})
	return err
}

func (c cluster) delete(ctx context.Context, object *unstructured.Unstructured) error {
	resource, err := c.resource(ctx, object)
	if err != nil {
		return err
	}
	background := metav1.DeletePropagationBackground
	err = resource.Delete(ctx, object.GetName(), metav1.DeleteOptions{PropagationPolicy: &background})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// resource finds where objects of this kind are written, and waits for kinds that have just been defined.
func (c cluster) resource(ctx context.Context, object *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	kind := object.GroupVersionKind()
	var mapping *meta.RESTMapping
	err := wait.PollUntilContextTimeout(ctx, knownEvery, knownTime, true, func(context.Context) (bool, error) {
		var err error
		mapping, err = c.kinds.RESTMapping(kind.GroupKind(), kind.Version)
		if meta.IsNoMatchError(err) {
			c.kinds.Reset()
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		return nil, fmt.Errorf("the API server does not know the kind %s: %w", kind, err)
	}
	if mapping.Scope.Name() == meta.RESTScopeNameRoot {
		return c.client.Resource(mapping.Resource), nil
	}
	namespace := object.GetNamespace()
	if namespace == "" {
		namespace = c.namespace
	}
	return c.client.Resource(mapping.Resource).Namespace(namespace), nil
}
