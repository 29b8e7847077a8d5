package source

import (
	"context"
	"fmt"
	"slices"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/metadata"

	"github.com/portcullis-dev/portcullis/policies/inventory"
)

// apiServer is what following a kind asks of a cluster.
type apiServer interface {
	// find tells where the API server serves a kind. It returns errNoSuchKind or errNoList when it does not.
	find(ctx context.Context, kind inventory.Kind) (servedAt, error)
	// of lists and watches a resource, of its objects only the metadata if that is all that is asked for.
	of(at servedAt, onlyMetadata bool) listWatcher
	// may tells whether this server may use a verb on all objects of a resource.
	may(ctx context.Context, verb string, of schema.GroupResource) (bool, error)
}

// servedAt is where a kind is served.
type servedAt struct {
	schema.GroupVersionResource
	namespaced bool
}

type listWatcher interface {
	list(ctx context.Context, options metav1.ListOptions) (runtime.Object, error)
	watch(ctx context.Context, options metav1.ListOptions) (watch.Interface, error)
	client() any // for the reflector, to see what it can do
}

// clients are a cluster's real ones.
type clients struct {
	kinds interface {
		ServerGroupsWithContext(ctx context.Context) (*metav1.APIGroupList, error)
		ServerResourcesForGroupVersionWithContext(ctx context.Context, groupVersion string) (*metav1.APIResourceList, error)
	}
	objects  dynamic.Interface
	metadata metadata.Interface
	access   authorizationclient.SelfSubjectAccessReviewInterface
}

func (c *clients) find(ctx context.Context, kind inventory.Kind) (servedAt, error) {
	if gvk, ok := kind.GroupVersionKind(); ok {
		return c.findSynced(ctx, gvk)
	}
	wanted := kind.GroupResource()
	groups, err := c.kinds.ServerGroupsWithContext(ctx)
	if err != nil {
		return servedAt{}, fmt.Errorf("the cluster's groups: %w", err)
	}
	of := slices.IndexFunc(groups.Groups, func(g metav1.APIGroup) bool { return g.Name == wanted.Group })
	if of < 0 {
		return servedAt{}, errNoSuchKind
	}
	group := groups.Groups[of]
	// The preferred version first. A kind may be served in another one alone.
	versions := append([]metav1.GroupVersionForDiscovery{group.PreferredVersion}, group.Versions...)
	for _, version := range versions {
		served, err := c.kinds.ServerResourcesForGroupVersionWithContext(ctx, version.GroupVersion)
		if apierrors.IsNotFound(err) {
			continue // it went between the two questions
		}
		if err != nil {
			return servedAt{}, fmt.Errorf("the kinds of %s: %w", version.GroupVersion, err)
		}
		i := slices.IndexFunc(served.APIResources, func(r metav1.APIResource) bool { return r.Name == wanted.Resource })
		if i < 0 {
			continue
		}
		return at(served.APIResources[i], wanted.WithVersion(version.Version))
	}
	return servedAt{}, errNoSuchKind
}

// findSynced finds a kind in the very version in which it is shown at data.inventory: in another its fields may have other names.
func (c *clients) findSynced(ctx context.Context, gvk schema.GroupVersionKind) (servedAt, error) {
	served, err := c.kinds.ServerResourcesForGroupVersionWithContext(ctx, gvk.GroupVersion().String())
	if apierrors.IsNotFound(err) {
		return servedAt{}, errNoSuchKind
	}
	if err != nil {
		return servedAt{}, fmt.Errorf("the kinds of %s: %w", gvk.GroupVersion(), err)
	}
	i := slices.IndexFunc(served.APIResources, func(r metav1.APIResource) bool { return r.Kind == gvk.Kind && !strings.Contains(r.Name, "/") })
	if i < 0 {
		return servedAt{}, errNoSuchKind
	}
	return at(served.APIResources[i], gvk.GroupVersion().WithResource(served.APIResources[i].Name))
}

// at is where a resource is served, if it can be listed and watched there.
func at(found metav1.APIResource, resource schema.GroupVersionResource) (servedAt, error) {
	if !slices.Contains(found.Verbs, "list") || !slices.Contains(found.Verbs, "watch") {
		return servedAt{}, errNoList
	}
	return servedAt{GroupVersionResource: resource, namespaced: found.Namespaced}, nil
}

func (c *clients) may(ctx context.Context, verb string, of schema.GroupResource) (bool, error) {
	question := authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: verb, Group: of.Group, Resource: of.Resource},
	}}
	answer, err := c.access.Create(ctx, &question, metav1.CreateOptions{})
	if err != nil {
		return false, fmt.Errorf("whether this server may %s %s: %w", verb, of, err)
	}
	return answer.Status.Allowed, nil
}

func (c *clients) of(at servedAt, onlyMetadata bool) listWatcher {
	if onlyMetadata {
		return metadataOf{c.metadata.Resource(at.GroupVersionResource), c.metadata}
	}
	return objectsOf{c.objects.Resource(at.GroupVersionResource), c.objects}
}

type objectsOf struct {
	of  dynamic.ResourceInterface
	all dynamic.Interface
}

func (o objectsOf) list(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
	return o.of.List(ctx, options)
}

func (o objectsOf) watch(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	return o.of.Watch(ctx, options)
}

func (o objectsOf) client() any { return o.all }

type metadataOf struct {
	of  metadata.ResourceInterface
	all metadata.Interface
}

func (m metadataOf) list(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
	return m.of.List(ctx, options)
}

func (m metadataOf) watch(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	return m.of.Watch(ctx, options)
}

func (m metadataOf) client() any { return m.all }
