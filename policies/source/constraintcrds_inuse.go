package source

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/portcullis-dev/portcullis/policies/gatekeeper"
)

// errInUse is wrapped by why a CRD still takes what its template does not name.
var errInUse = errors.New("until then the CRD keeps it")

// keeping is what the CRD should be while constraints use what the template does not name any more, with what kept says of that; else it is what
// is wanted, and kept is nil. err is why the CRD must not be changed.
func (c *ConstraintCRDs) keeping(ctx context.Context, t ownTemplate, live, wanted *unstructured.Unstructured) (out *unstructured.Unstructured, kept, err error) {
	served := servedSchemas(live)
	if len(served) == 0 {
		return wanted, nil, nil
	}
	version := slices.Max(slices.Collect(maps.Keys(served))) // any, for all of them serve the same objects
	earlier, err := gatekeeper.SchemaOf(served[version])
	if err != nil {
		return nil, nil, fmt.Errorf("the CRD %s: %w", crdOf(t.Name), err)
	}
	at := schema.GroupVersionResource{Group: constraintGroup, Version: version, Resource: t.Name}
	list, err := c.Client.Resource(at).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, nil, fmt.Errorf("the CRD %s is not changed before its constraints can be listed, which may give what it would drop: %w", crdOf(t.Name), err)
	}
	narrowed := t.CRD().Spec.Versions[0].Schema.OpenAPIV3Schema
	for _, constraint := range list.Items {
		dropped, err := gatekeeper.Dropped(constraint.Object, earlier, narrowed)
		if err != nil {
			return nil, nil, fmt.Errorf("the CRD %s: %w", crdOf(t.Name), err)
		}
		if len(dropped) == 0 {
			continue
		}
		told := fmt.Errorf("%s %s gives %s, which the template does not name any more; change the constraint, or delete it: %w",
			constraint.GetKind(), constraint.GetName(), dropped[0], errInUse)
		if kept == nil {
			kept = told
		}
		gatekeeper.Retain(narrowed, earlier, dropped)
		if still, err := gatekeeper.Dropped(constraint.Object, earlier, narrowed); len(still) > 0 || err != nil {
			return nil, nil, told // of an object that became a text, say: the CRD stays as it is
		}
	}
	if kept == nil {
		return wanted, nil, nil
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(narrowed)
	if err != nil {
		return nil, nil, fmt.Errorf("the CRD %s: %w", crdOf(t.Name), err)
	}
	out = wanted.DeepCopy()
	versions, _, _ := unstructured.NestedSlice(out.Object, "spec", "versions")
	for _, v := range versions {
		if version, ok := v.(map[string]any); ok {
			version["schema"] = map[string]any{"openAPIV3Schema": runtime.DeepCopyJSON(content)}
		}
	}
	return out, kept, unstructured.SetNestedSlice(out.Object, versions, "spec", "versions")
}
