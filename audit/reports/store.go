package reports

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
)

// The labels of objects that are in a cluster.
const (
	release   = "app.kubernetes.io/instance"
	home      = "audit.portcullis.dev/namespace" // of the release
	shardName = "audit.portcullis.dev/shard"
	// manager is who applies them, as the API server notes it.
	manager = "portcullis-reports"
)

const (
	// qps and burst bound the requests to the API server: with the largest objects that is 10 MiB a second.
	qps, burst = 20, 40
	// reportsAPage bounds what is in memory when reports are read, to 10 MiB of JSON.
	reportsAPage = 20
	// namesAPage is for lists without contents.
	namesAPage = 500
)

// ErrForeign is why a report was not written: there is one of its name that somebody else has made.
var ErrForeign = errors.New("somebody else has made a report of that name")

// Release names whose reports they are: no others are ever touched.
type Release struct{ Name, Namespace string }

// store reads and writes the reports of a release in a cluster.
type store struct {
	Release
	kinds    discovery.ServerResourcesInterfaceWithContext
	client   dynamic.Interface
	metadata metadata.Interface
	strict   bool // unknown fields are an error, for tests
}

func newStore(config *rest.Config, r Release) (*store, error) {
	own := rest.CopyConfig(config)
	own.QPS, own.Burst, own.RateLimiter = qps, burst, nil
	own.UserAgent += " portcullis-reports"
	kinds, err := discovery.NewDiscoveryClientForConfig(own)
	if err != nil {
		return nil, fmt.Errorf("the client for the cluster's kinds: %w", err)
	}
	client, err := dynamic.NewForConfig(own)
	if err != nil {
		return nil, fmt.Errorf("the client for reports: %w", err)
	}
	names, err := metadata.NewForConfig(own)
	if err != nil {
		return nil, fmt.Errorf("the client for the names of reports: %w", err)
	}
	return &store{Release: r, kinds: kinds, client: client, metadata: names}, nil
}

// labels are those of the objects of a shard; of those of all with "".
func (s *store) labels(shard string) labels.Set {
	out := labels.Set{Managed: Source, release: label(s.Name), home: label(s.Namespace)}
	if shard != "" {
		out[shardName] = label(shard)
	}
	return out
}

// label is a name as the value of a label and as a part of an object's name.
func label(name string) string {
	if len(validation.IsDNS1123Label(name)) == 0 {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:8])
}

// present is an object that is there.
type present struct {
	Object
	at      schema.GroupVersionResource
	uid     types.UID
	version string
	shard   string
}

// list calls each with all reports of the release.
func (s *store) list(ctx context.Context, of api, each func(present)) error {
	for _, resource := range of.resources() {
		options := metav1.ListOptions{LabelSelector: s.labels("").String(), Limit: reportsAPage}
		for {
			page, err := s.client.Resource(resource).List(ctx, options)
			if err != nil {
				return fmt.Errorf("list %s: %w", resource.GroupResource(), err)
			}
			for _, item := range page.Items {
				p := present{at: resource, uid: item.GetUID(), version: item.GetResourceVersion(), shard: item.GetLabels()[shardName]}
				text, err := item.MarshalJSON()
				if err == nil {
					err = json.Unmarshal(text, &p.Object)
				}
				if err != nil { // whatever it says is written anew
					p.Object = Object{Metadata: Metadata{Name: item.GetName(), Namespace: item.GetNamespace()}}
				}
				each(p)
			}
			if options.Continue = page.GetContinue(); options.Continue == "" {
				break
			}
		}
	}
	return nil
}

// names calls each with all reports of the release, without their contents.
func (s *store) names(ctx context.Context, of api, each func(present)) error {
	for _, resource := range of.resources() {
		options := metav1.ListOptions{LabelSelector: s.labels("").String(), Limit: namesAPage}
		for {
			page, err := s.metadata.Resource(resource).List(ctx, options)
			if err != nil {
				return fmt.Errorf("list %s: %w", resource.GroupResource(), err)
			}
			for _, item := range page.Items {
				each(present{
					Object: Object{Metadata: Metadata{Name: item.Name, Namespace: item.Namespace}},
					at:     resource, uid: item.UID, version: item.ResourceVersion, shard: item.Labels[shardName],
				})
			}
			if options.Continue = page.Continue; options.Continue == "" {
				break
			}
		}
	}
	return nil
}

// apply writes an object, and returns what is there then. One that somebody else has made is left as it is, and what others have changed in one of
// ours is put right.
func (s *store) apply(ctx context.Context, at schema.GroupVersionResource, o Object, text []byte) (*unstructured.Unstructured, error) {
	patch := func(force bool) (*unstructured.Unstructured, error) {
		options := metav1.PatchOptions{FieldManager: manager, Force: &force}
		if s.strict {
			options.FieldValidation = metav1.FieldValidationStrict
		}
		return s.client.Resource(at).Namespace(o.Metadata.Namespace).Patch(ctx, o.Metadata.Name, types.ApplyPatchType, text, options)
	}
	written, err := patch(false)
	if !apierrors.IsConflict(err) {
		return written, err
	}
	there, err := s.metadata.Resource(at).Namespace(o.Metadata.Namespace).Get(ctx, o.Metadata.Name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	if !s.labels("").AsSelector().Matches(labels.Set(there.Labels)) {
		return nil, ErrForeign
	}
	return patch(true)
}

// remove deletes an object that is as it was seen.
func (s *store) remove(ctx context.Context, p present) error {
	options := metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &p.uid}}
	err := s.client.Resource(p.at).Namespace(p.Metadata.Namespace).Delete(ctx, p.Metadata.Name, options)
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) { // it is gone, or another one
		return nil
	}
	return err
}
